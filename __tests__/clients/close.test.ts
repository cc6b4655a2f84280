import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

describe("closing", () => {
  it("finishes the handlers in hand, what they publish and their acks, and takes nothing more", async () => {
    const [work, started] = [gate(), gate()];
    const client = connectClient();
    await client.consume("driver", async () => {
      started.open();
      await work.opened;
      await client.publish({ queue: "@acme", event: "delivered" });
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    const closed = client.close();
    await hub().until(() => hub().bodies("cancel").length === 1);
    work.open();
    await closed;
    expect(hub().published()).toMatchObject([{ event: "delivered" }]);
    expect(hub().settled("ack")).toEqual(["m1#1"]);
    expect(client.state).toBe("closed");
  });

  it("lets a handler publish that has lost its message to another of the same id", async () => {
    const [work, started] = [gate(), gate()];
    const client = connectClient();
    await client.consume("driver", async ({ seq }) => {
      if (seq !== 1) return;
      started.open();
      await work.opened;
      await client.publish({ queue: "@acme", event: "delivered" });
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().deliver("driver", deliveredMessage("m1", { seq: 2, attempt: 2 }));
    await hub().until(() => hub().settled("ack").length === 1);
    // Answered after the ack.
    await client.publish({ queue: "driver", event: "mark" });
    const closed = client.close();
    work.open();
    await closed;
    expect(hub().published().at(-1)).toMatchObject({ event: "delivered" });
  });

  it("waits for what is not confirmed", async () => {
    const client = connectClient();
    const publish = client.publish({ queue: "driver", event: "pickup" });
    await client.close();
    expect(await publish).toMatchObject({ status: "stored" });
  });

  it("gives up at the timeout: publishes reject, and handlers hear it", async () => {
    hub().answer("publish", () => undefined);
    const [started, aborted] = [gate(), gate()];
    const client = connectClient();
    await client.consume("driver", (_message, { signal }) => {
      signal.addEventListener("abort", () => aborted.open());
      started.open();
      return new Promise(() => undefined);
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    const publish = client.publish({ queue: "driver", event: "pickup" });
    const outcome = expect(publish).rejects.toMatchObject({
      code: "DRAINING",
      message: expect.stringContaining("closed"),
    });
    await client.close({ timeoutMs: 50 });
    await outcome;
    await aborted.opened;
    expect(hub().settled("ack")).toEqual([]);
  });

  it("does not wait for a hub that has gone to hear of a cancel", async () => {
    hub().answer("cancel", () => undefined);
    // The first attempt to come back is far off.
    const client = connectClient({ reconnectDelayMs: 60_000, reconnectDelayMaxMs: 60_000 });
    for (const queue of ["driver", "@acme"]) await client.consume(queue, () => undefined);
    const closed = client.close();
    await hub().until(() => hub().bodies("cancel").length === 2);
    hub().cut();
    await closed;
    expect(client.state).toBe("closed");
    // Not the time that closing may take.
  }, 5_000);

  it.each([Infinity, 2 ** 31, Number.NaN])("waits for a handler with a timeout of %p", async (timeoutMs) => {
    const [work, started] = [gate(), gate()];
    const client = connectClient();
    await client.consume("driver", async (_message, { signal }) => {
      started.open();
      await work.opened;
      if (signal.aborted) throw new Error("given up");
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    // A timer that is given what it cannot wait for waits for a millisecond.
    const timers = jest.spyOn(globalThis, "setTimeout");
    const closed = client.close({ timeoutMs });
    await hub().until(() => hub().bodies("cancel").length === 1);
    const waits = timers.mock.calls.map(([, ms]) => ms ?? Number.NaN);
    timers.mockRestore();
    expect(waits.filter((ms) => !(ms >= 0 && ms < 2 ** 31))).toEqual([]);
    work.open();
    await closed;
    expect(hub().settled("ack")).toEqual(["m1#1"]);
  });

  it("is done once, and rejects everything after it", async () => {
    const client = connectClient();
    await client.ready();
    const closed = client.close();
    expect(client.close()).toBe(closed);
    const late = client.publish({ queue: "driver", event: "pickup" });
    await expect(late).rejects.toMatchObject({ code: "INVALID", message: "This client is closed." });
    await closed;
    await expect(client.consume("driver", () => undefined)).rejects.toThrow("closed");
    await expect(client.join("north")).rejects.toThrow("closed");
    expect(hub().handshakes).toHaveLength(1);
  });

  it("ends at once before the first welcome, with nothing to wait for", async () => {
    const client = connectClient();
    const consume = client.consume("driver", () => undefined);
    const outcome = expect(consume).rejects.toThrow("closed");
    await client.close();
    await outcome;
    await expect(client.ready()).rejects.toThrow("closed");
  });
});
