import { WaybillError } from "../../clients/hub-client";
import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

describe("cancelling", () => {
  it("gives back what comes after the cancel, and lets what is in hand finish", async () => {
    const [work, started] = [gate(), gate()];
    const client = connectClient();
    const consumer = await client.consume("driver", () => {
      started.open();
      return work.opened;
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().answer("cancel", () => {
      hub().deliver("driver", deliveredMessage("m2"));
      return { ok: true, queue: "driver" };
    });
    const cancelled = consumer.cancel();
    await hub().until(() => hub().settled("nack").length === 1);
    expect(hub().bodies("nack")[0]).toMatchObject({ deliveries: [{ id: "m2", attempt: 1 }], release: true });
    expect(hub().settled("ack")).toEqual([]);
    work.open();
    await cancelled;
    expect(hub().settled("ack")).toEqual(["m1#1"]);
  });

  it("gives back what comes before the hub has heard of the cancel, though nothing is in hand any more", async () => {
    hub().answer("cancel", () => undefined);
    const client = connectClient();
    const refused = jest.fn();
    client.on("refused", refused);
    const consumer = await client.consume("driver", () => undefined);
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    let isThrough = false;
    void consumer.cancel().then(() => (isThrough = true));
    // Answered after the ack.
    await client.publish({ queue: "driver", event: "mark" });
    hub().deliver("driver", deliveredMessage("m2", { seq: 2 }));
    await hub().until(() => hub().settled("nack").length === 1);
    expect(hub().bodies("nack")[0]).toMatchObject({ deliveries: [{ id: "m2", attempt: 1 }], release: true });
    expect(refused).not.toHaveBeenCalled();
    expect(isThrough).toBe(false);
  });

  it("may consume a queue anew whose cancel is not answered yet, and not one whose handler is still at work", async () => {
    const client = connectClient();
    const first = await client.consume("driver", () => undefined);
    hub().cut();
    await next(client, "disconnected");
    const cancelled = first.cancel();
    const anew = client.consume("driver", () => undefined);
    await cancelled;
    expect(await anew).not.toBe(first);

    const work = gate();
    const started = gate();
    const south = await client.consume("south", async () => {
      started.open();
      await work.opened;
    });
    hub().deliver("south", deliveredMessage("m1"));
    await started.opened;
    void south.cancel();
    await expect(client.consume("south", () => undefined)).rejects.toMatchObject({ code: "INVALID" });
    work.open();
  });

  it("cancels again when the hub refuses it for now, and tells when it refuses it for good", async () => {
    const codes: ("RATE_LIMITED" | "INVALID")[] = ["RATE_LIMITED", "INVALID"];
    hub().answer("cancel", () => ({ ok: false, error: new WaybillError(codes.shift() ?? "INVALID", "no").toWire() }));
    const client = connectClient();
    const refused = next(client, "refused");
    const consumer = await client.consume("driver", () => undefined);
    await consumer.cancel();
    expect(hub().bodies("cancel")).toHaveLength(2);
    expect(await refused).toMatchObject({ event: "cancel", error: { code: "INVALID" } });
  });
});
