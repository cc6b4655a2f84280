import { Nack, WaybillError } from "../../clients/hub-client";
import { requestReader } from "../../src/protocol/requests";
import { MAX_DELAY_MS } from "../../src/protocol/wire";
import { deliveredMessage } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

describe("a consumer", () => {
  it("gives back what its handler throws at, with the reason", async () => {
    await connectClient().consume("driver", async ({ id }) => {
      const notEvenAnError: unknown = "not even an error";
      if (id === "m2") throw notEvenAnError;
      throw new Error(`cannot handle ${id}`);
    });
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2"));
    await hub().until(() => hub().settled("nack").length === 2);
    expect(hub().bodies("nack")).toEqual([
      { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], reason: "cannot handle m1" },
      { queue: "driver", deliveries: [{ id: "m2", attempt: 1 }], reason: "not even an error" },
    ]);
    expect(hub().settled("ack")).toEqual([]);
  });

  it("gives back whatever it throws or returns, and goes on", async () => {
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const spoiled = Object.assign(new Nack(), { options: { reason: 7 } });
    const wordless = "something that cannot be written as text";
    const rejecting = (what: unknown) => async () => {
      throw what;
    };
    const failing = {
      then: (_resolve: unknown, reject: (error: Error) => void) => {
        reject(new Error("once"));
        reject(new Error("twice"));
      },
    };
    const failingQuery = Object.assign(() => undefined, failing);
    const outcomes: [what: () => unknown, reason: string][] = [
      [rejecting(Object.create(null)), wordless],
      [rejecting(Object.assign(new Error(), { message: Object.create(null) as string })), wordless],
      [rejecting(revoked.proxy), wordless],
      [rejecting(Symbol("no van")), "Symbol(no van)"],
      [rejecting(spoiled), "The handler gave the message back."],
      [rejecting(new Nack({ reason: new Error("no van") as unknown as string })), "no van"],
      [rejecting(new Nack({ reason: Object.create(null) as string })), wordless],
      [() => revoked.proxy, "Cannot perform 'has' on a proxy that has been revoked"],
      [() => failing, "once"],
      [() => failingQuery, "once"],
    ];
    await connectClient().consume("driver", ({ id }) => outcomes[Number(id)]?.[0](), { prefetch: 1 });
    hub().deliver("driver", ...outcomes.map((_outcome, index) => deliveredMessage(`${index}`)), deliveredMessage("m"));
    await hub().until(() => hub().settled("ack").length === 1);
    const reasons: (string | undefined)[] = [];
    for (const { deliveries, reason } of hub().bodies("nack")) {
      for (const { id } of deliveries) reasons[Number(id)] = reason;
    }
    expect(reasons).toEqual(outcomes.map(([, reason]) => reason));
  });

  it("gives back as a Nack says", async () => {
    await connectClient().consume("driver", ({ id }) => {
      throw id === "m1" ? new Nack({ delayMs: 5_000, reason: "no van" }) : new Nack({ dead: true });
    });
    hub().deliver("driver", deliveredMessage("m1"), deliveredMessage("m2"), deliveredMessage("m3"));
    await hub().until(() => hub().settled("nack").length === 3);
    expect(hub().bodies("nack")).toEqual([
      { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], delayMs: 5_000, reason: "no van" },
      {
        queue: "driver",
        deliveries: [
          { id: "m2", attempt: 1 },
          { id: "m3", attempt: 1 },
        ],
        dead: true,
      },
    ]);
  });

  it.each<[given: Record<string, unknown>, sent: Record<string, unknown>]>([
    [{ delayMs: 100.5 }, { delayMs: 101 }],
    [
      { delayMs: -1, reason: "no van" },
      { delayMs: 0, reason: "no van" },
    ],
    [{ delayMs: Infinity }, { delayMs: MAX_DELAY_MS }],
    [{ delayMs: Number.NaN }, {}],
    [{ delayMs: "5000" }, { delayMs: 5_000 }],
    [{ delayMs: null, dead: null }, {}],
    [{ delayMs: Symbol("soon") }, {}],
    [{ dead: "yes" }, { dead: true }],
    [{ dead: 0 }, {}],
    [{ release: 1, reason: "went home" }, { release: true }],
    [{ release: true, delayMs: 10 }, { delayMs: 10 }],
    [{ release: true, dead: true }, { dead: true }],
    [{ reason: "x".repeat(2_000) }, { reason: "x".repeat(500) }],
    [{ someday: true }, {}],
  ])("gives back as the hub takes it where a Nack says %j", async (given, sent) => {
    await connectClient().consume("driver", () => {
      throw new Nack(given);
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("nack").length === 1);
    const [nack] = hub().bodies("nack");
    expect(nack).toEqual({ queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], ...sent });
    expect(() => requestReader({ maxBatch: 1, maxPrefetch: 1 }).nack(nack)).not.toThrow();
  });

  it("gives back without a say in it where the hub does not take what a Nack says, and tells of it", async () => {
    const invalid = new WaybillError("INVALID", "delayMs must be less").toWire();
    hub().answer("nack", ({ delayMs, deliveries }) =>
      delayMs === undefined
        ? { ok: true, results: deliveries.map(({ id }) => ({ id, status: "nacked" })) }
        : { ok: false, error: invalid },
    );
    const client = connectClient();
    const refused = next(client, "refused");
    const consumer = await client.consume("driver", () => {
      throw new Nack({ delayMs: 5_000, reason: "no van" });
    });
    hub().deliver("driver", deliveredMessage("m1"));
    expect(await refused).toEqual({ event: "nack", error: invalid });
    await consumer.cancel();
    expect(hub().bodies("nack").slice(1)).toEqual([
      { queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], reason: "no van" },
    ]);
  });
});
