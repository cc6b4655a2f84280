import { WaybillError, type DeliveryControl } from "../../clients/hub-client";
import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

describe("a lease", () => {
  it("is extended while its handler works, many in one request", async () => {
    const work = gate();
    await connectClient().consume("driver", () => work.opened);
    hub().deliver("driver", deliveredMessage("m1", { leaseMs: 200 }), deliveredMessage("m2", { leaseMs: 190 }));
    await hub().until(() => hub().bodies("extend").length === 2);
    expect(hub().bodies("extend")[0]).toEqual({
      queue: "driver",
      deliveries: [
        { id: "m1", attempt: 1 },
        { id: "m2", attempt: 1 },
      ],
      leaseMs: 1_000,
    });
    work.open();
    await hub().until(() => hub().settled("ack").length === 2);
  });

  it("aborts the signal when the hub revokes it, and is not settled after that", async () => {
    const client = connectClient();
    const aborted = gate<unknown>();
    await client.consume("driver", ({ id }, { signal }) => {
      if (id !== "m1") return;
      return new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.open(signal.reason);
          resolve();
        });
      });
    });
    hub().deliver("driver", deliveredMessage("m1"));
    const revoked = next(client, "revoked");
    hub().send("revoked", { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], reason: "taken back" });
    expect(await aborted.opened).toMatchObject({ message: "taken back" });
    expect(await revoked).toMatchObject({ reason: "taken back" });
    hub().deliver("driver", deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length === 1);
    expect(hub().settled("ack")).toEqual(["m2#1"]);
  });

  it("aborts the signal when the hub refuses to extend it", async () => {
    hub().answer("extend", () => ({
      ok: true,
      results: [{ id: "m1", error: new WaybillError("LEASE_LOST", "somebody else has it").toWire() }],
    }));
    const aborted = gate<unknown>();
    await connectClient().consume("driver", (_message, { signal }) => {
      signal.addEventListener("abort", () => aborted.open(signal.reason));
      return aborted.opened;
    });
    hub().deliver("driver", deliveredMessage("m1", { leaseMs: 100 }));
    expect(await aborted.opened).toMatchObject({ message: "somebody else has it" });
  });

  it("aborts the signal when it runs out while the hub cannot be reached", async () => {
    const aborted = gate<unknown>();
    // The first attempt to come back is far off.
    const client = connectClient({ reconnectDelayMs: 60_000, reconnectDelayMaxMs: 60_000 });
    await client.consume("driver", (_message, { signal }) => {
      signal.addEventListener("abort", () => aborted.open(signal.reason));
      hub().cut();
      return aborted.opened;
    });
    hub().deliver("driver", deliveredMessage("m1", { leaseMs: 100 }));
    expect(await aborted.opened).toMatchObject({ message: expect.stringContaining("ran out") as string });
  });

  it("is aborted already for a handler that looks at its signal late", async () => {
    const [started, looked] = [gate(), gate<boolean>()];
    const client = connectClient();
    await client.consume("driver", async (_message, delivery) => {
      started.open();
      await next(client, "revoked");
      looked.open(delivery.signal.aborted);
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().send("revoked", { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], reason: "taken back" });
    expect(await looked.opened).toBe(true);
  });

  it("is extended as the handler asks", async () => {
    const control = gate<DeliveryControl>();
    const work = gate();
    await connectClient().consume("driver", (_message, delivery) => {
      control.open(delivery);
      return work.opened;
    });
    hub().deliver("driver", deliveredMessage("m1"));
    const { extend } = await control.opened;
    await extend(90_000);
    expect(hub().bodies("extend")).toEqual([
      { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], leaseMs: 90_000 },
    ]);
    await expect(extend(Number.NaN)).rejects.toMatchObject({ code: "INVALID" });
    hub().answer("extend", () => ({
      ok: true,
      results: [{ id: "m1", error: new WaybillError("LEASE_LOST", "gone").toWire() }],
    }));
    await expect(extend(90_000)).rejects.toMatchObject({ code: "LEASE_LOST" });
    work.open();
  });
});
