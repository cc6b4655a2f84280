import { WaybillError } from "../../clients/hub-client";
import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

describe("consuming", () => {
  it("asks the hub for the queue, with its prefetch bounded by the hub's", async () => {
    const consumer = await connectClient().consume("driver", () => undefined, { prefetch: 5_000 });
    expect(consumer.queue).toBe("driver");
    expect(hub().bodies("consume")).toEqual([{ queue: "driver", prefetch: 1_000 }]);
  });

  it("consumes the own inbox where no queue is named", async () => {
    const received = gate<unknown>();
    const client = connectClient({ clientId: "acme" });
    const consumer = await client.consume(undefined, (message) => received.open(message.payload));
    expect(consumer.queue).toBe("@acme");
    hub().deliver("@acme", deliveredMessage("m1"));
    expect(await received.opened).toEqual({ id: "m1" });
  });

  it("takes the deliveries of several queues together, and acks them together", async () => {
    const client = connectClient();
    const seen: string[] = [];
    for (const queue of ["north", "south"]) await client.consume(queue, ({ id }) => seen.push(`${queue} ${id}`));
    hub().send("deliver", [
      { queue: "north", messages: [deliveredMessage("m1")] },
      { queue: "south", messages: [deliveredMessage("m1"), deliveredMessage("m2")] },
    ]);
    await hub().until(() => hub().settled("ack").length === 3);
    expect(seen).toEqual(["north m1", "south m1", "south m2"]);
    const inSouth = ["m1", "m2"].map((id) => ({ id, attempt: 1, queue: "south" }));
    expect(hub().bodies("ack")).toEqual([{ queue: "north", deliveries: [{ id: "m1", attempt: 1 }, ...inSouth] }]);
  });

  it("takes a brief answer to its acks", async () => {
    hub().answer("ack", () => ({ ok: true, all: "acked" }));
    const consumer = await connectClient().consume("driver", () => undefined);
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length === 2);
    // Resolves when the hub has the last word on all of them.
    await consumer.cancel();
    expect(hub().settled("ack")).toEqual(["m1#1", "m2#1"]);
  });

  it("rejects a second consumer of the same queue, and takes one after the first was cancelled", async () => {
    const client = connectClient({ clientId: "acme" });
    const consumer = await client.consume("@acme", () => undefined);
    await expect(client.consume(undefined, () => undefined)).rejects.toMatchObject({ code: "INVALID" });
    await consumer.cancel();
    await client.consume(undefined, () => undefined);
    expect(hub().requests.map(({ name }) => name)).toEqual(["consume", "cancel", "consume"]);
  });

  it.each([0, 1.5, -1])("rejects a prefetch of %p", async (prefetch) => {
    const consume = connectClient().consume("driver", () => undefined, { prefetch });
    await expect(consume).rejects.toMatchObject({ code: "INVALID" });
  });

  it("rejects options in the handler's place, before anything is asked of the hub", async () => {
    const client = connectClient() as unknown as { consume(queue: string, options: object): Promise<unknown> };
    const refused = client.consume("driver", { prefetch: 5 });
    await expect(refused).rejects.toMatchObject({ code: "INVALID", message: expect.stringContaining("handler") });
    expect(hub().requests).toEqual([]);
  });

  it("rejects when the hub refuses for good, and tries again when it refuses for now", async () => {
    const client = connectClient();
    const codes: ("FORBIDDEN" | "STORE_UNAVAILABLE")[] = ["FORBIDDEN", "STORE_UNAVAILABLE"];
    hub().answer("consume", () => {
      const code = codes.shift();
      return code
        ? { ok: false, error: new WaybillError(code, code).toWire() }
        : { ok: true, queue: "driver", ready: 0 };
    });
    await expect(client.consume("driver", () => undefined)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await client.consume("driver", () => undefined);
    expect(hub().bodies("consume")).toHaveLength(3);
  });

  it("is taken on when a delivery comes, whatever its handler does, and whatever comes in the place of the answer", async () => {
    hub().answer("consume", ({ queue }, connection) => {
      if (connection > 1) return { ok: false, error: new WaybillError("FORBIDDEN", "no more").toWire() };
      hub().deliver(queue ?? "", deliveredMessage("m1"));
      return undefined;
    });
    const client = connectClient();
    expect(await client.consume("south", () => undefined)).toMatchObject({ queue: "south" });
    const refused = next(client, "refused");
    hub().cut();
    expect(await refused).toMatchObject({ event: "consume", error: { code: "FORBIDDEN" } });
    const closing = connectClient();
    hub().answer("consume", ({ queue }) => void hub().deliver(queue ?? "", deliveredMessage("m2")));
    expect(await closing.consume("driver", () => void closing.close())).toMatchObject({ queue: "driver" });
  });

  it("hands messages over in order, and acks a turn's worth in one packet", async () => {
    const seen: string[] = [];
    await connectClient().consume("driver", ({ id }) => seen.push(id));
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2", { attempt: 3 }));
    hub().deliver("driver", deliveredMessage("m3"));
    await hub().until(() => hub().settled("ack").length === 3);
    expect(seen).toEqual(["m1", "m2", "m3"]);
    expect(hub().settled("ack")).toEqual(["m1#1", "m2#3", "m3#1"]);
    expect(hub().bodies("ack").length).toBeLessThan(3);
  });

  it("acks the message that it was given, and remembers it, whatever its handler makes of it", async () => {
    const error = new WaybillError("LEASE_LOST", "too late").toWire();
    hub().answer("ack", ({ deliveries }) => ({ ok: true, results: deliveries.map(({ id }) => ({ id, error })) }));
    const client = connectClient();
    const seen: string[] = [];
    const consumer = await client.consume("driver", (message) => {
      seen.push(message.id);
      Object.assign(message, { id: "copy", seq: 99, attempt: 7 });
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    // Answered after the ack.
    await client.publish({ queue: "driver", event: "mark" });
    hub().deliver("driver", deliveredMessage("m1", { attempt: 2, redelivered: true }));
    await consumer.cancel();
    expect(hub().settled("ack")).toEqual(["m1#1", "m1#2"]);
    expect(seen).toEqual(["m1"]);
  });

  it("acks nothing whose handler is not through", async () => {
    const work = gate();
    await connectClient().consume("driver", ({ id }) => (id === "m1" ? work.opened : undefined));
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length > 0);
    expect(hub().settled("ack")).toEqual(["m2#1"]);
    work.open();
    await hub().until(() => hub().settled("ack").length > 1);
    expect(hub().settled("ack")).toEqual(["m2#1", "m1#1"]);
  });

  it("runs as many handlers at once as the prefetch says", async () => {
    const gates = new Map(["m1", "m2", "m3"].map((id) => [id, gate()]));
    const started: string[] = [];
    await connectClient().consume(
      "driver",
      ({ id }) => {
        started.push(id);
        return gates.get(id)?.opened;
      },
      { prefetch: 2 },
    );
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2"), deliveredMessage("m3"));
    gates.get("m2")?.open();
    await hub().until(() => hub().settled("ack").length === 1);
    expect(started).toEqual(["m1", "m2", "m3"]);
    gates.get("m3")?.open();
    gates.get("m1")?.open();
    await hub().until(() => hub().settled("ack").length === 3);
    expect(hub().settled("ack")[0]).toBe("m2#1");
  });

  it("acks again when the hub refuses the ack for now", async () => {
    hub().answer("ack", () => {
      hub().answerAsUsual("ack");
      return { ok: true, results: [{ id: "m1", error: new WaybillError("STORE_UNAVAILABLE", "full").toWire() }] };
    });
    await connectClient().consume("driver", () => undefined);
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 2);
  });

  it("takes LEASE_LOST as the last word on an ack", async () => {
    hub().answer("ack", () => ({
      ok: true,
      results: [{ id: "m1", error: new WaybillError("LEASE_LOST", "too late").toWire() }],
    }));
    const client = connectClient();
    const consumer = await client.consume("driver", () => undefined);
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    await consumer.cancel();
    expect(hub().settled("ack")).toEqual(["m1#1"]);
  });

  it("ignores malformed deliveries, tells of them, and goes on", async () => {
    const client = connectClient();
    const seen: string[] = [];
    const refused: string[] = [];
    await client.consume("driver", ({ id }) => seen.push(id));
    client.on("refused", ({ event }) => refused.push(event));
    for (const packet of [undefined, 7, {}, { queue: "driver" }, { queue: "driver", messages: [null, { id: 7 }] }]) {
      hub().sendRaw("deliver", packet);
    }
    hub().sendRaw("revoked", { queue: "driver", deliveries: [null] });
    hub().sendRaw("refused", "nonsense");
    hub().sendRaw("drain", null);
    hub().deliver("other", deliveredMessage("m0"));
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    expect(seen).toEqual(["m1"]);
    expect(refused).toEqual([...Array<string>(6).fill("deliver"), "revoked", "refused", "deliver"]);
  });

  it("is refused when it cannot be asked for, and can then be tried again", async () => {
    const client = connectClient();
    const options = { exclusive: 1n as unknown as boolean };
    await expect(client.consume("driver", () => undefined, options)).rejects.toMatchObject({ code: "INVALID" });
    expect(await client.consume("driver", () => undefined)).toMatchObject({ queue: "driver" });
  });
});

describe("a hub that takes small packets only", () => {
  const MAX_PACKET_BYTES = 10_000;
  /** As long in bytes as its number of characters allows. */
  const messages = Array.from({ length: 200 }, (_, n) => deliveredMessage(`${"€".repeat(60)}${n}`, { leaseMs: 200 }));

  beforeEach(() => {
    const limits = { maxPayloadBytes: 5_000, maxBatch: 1_000, maxPacketBytes: MAX_PACKET_BYTES, maxPrefetch: 1_000 };
    hub().welcome = { limits };
  });

  /** Holds every request of this name to the limit, and all of them together to few. */
  function expectFewAndSmall(name: "ack" | "nack" | "extend"): void {
    const sizes = hub()
      .bodies(name)
      .map((body) => Buffer.byteLength(JSON.stringify([name, body])));
    expect(Math.max(...sizes)).toBeLessThan(MAX_PACKET_BYTES);
    expect(sizes.length).toBeLessThan(20);
  }

  it.each([
    ["ack", (): unknown => undefined],
    ["nack", (): unknown => Promise.reject(new Error("\u0001".repeat(500)))],
  ] as const)("gets each %s of many in several, of several queues as well", async (name, handler) => {
    const client = connectClient();
    for (const queue of ["north", "south"]) await client.consume(queue, handler, { prefetch: 1_000 });
    const [north, south] = [messages.slice(0, 100), messages.slice(100)];
    hub().send("deliver", [
      { queue: "north", messages: north },
      { queue: "south", messages: south },
    ]);
    await hub().until(() => hub().settled(name).length === messages.length);
    expect(hub().settled(name)).toEqual(messages.map(({ id }) => `${id}#1`));
    expectFewAndSmall(name);
  });

  it("is asked in several to extend the leases of many", async () => {
    const work = gate();
    await connectClient().consume("driver", () => work.opened, { prefetch: 1_000 });
    hub().deliver("driver", ...messages);
    await hub().until(() => hub().settled("extend").length === messages.length);
    expect(hub().settled("extend")).toEqual(messages.map(({ id }) => `${id}#1`));
    expectFewAndSmall("extend");
    work.open();
  });
});
