import { WaybillError, type DeadLetterMessage, type TracedMessage } from "../../clients/hub-client";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

const traced: TracedMessage = {
  queue: "driver",
  id: "m-1",
  state: "ended",
  how: "acked",
  at: "2026-01-31T12:00:00.000Z",
  attempt: 1,
  client: "d1",
};

describe("why", () => {
  it("asks for an id, in all queues or in one, and gives what the hub knows", async () => {
    hub().answer("why", () => ({ ok: true, messages: [traced] }));
    const client = connectClient();
    expect(await client.why("m-1")).toEqual([traced]);
    await client.why("m-1", { queue: "driver" });
    expect(hub().bodies("why")).toEqual([{ id: "m-1" }, { id: "m-1", queue: "driver" }]);
  });

  it("is asked again on the next connection, when the first one goes before the answer", async () => {
    hub().answer("why", () => undefined);
    const client = connectClient();
    const answer = client.why("m-1");
    await hub().until(() => hub().bodies("why").length === 1);
    hub().answer("why", () => ({ ok: true, messages: [] }));
    hub().cut();
    expect(await answer).toEqual([]);
    expect(hub().bodies("why", 2)).toEqual([{ id: "m-1" }]);
  });

  it("rejects with the hub's refusal", async () => {
    await expect(connectClient().why("m-1")).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

describe("dead letters", () => {
  const letter = { id: "m-1", seq: 7, event: "pickup", reason: "refused" } as DeadLetterMessage;

  it("come by the page", async () => {
    hub().answer("dead", () => ({ ok: true, queue: "driver", total: 9, messages: [letter] }));
    const { dead } = connectClient();
    expect(await dead.list("driver")).toMatchObject({ total: 9, messages: [letter] });
    await dead.list("driver", { reason: "refused", error: "street" }, { limit: 5, afterSeq: 7 });
    expect(hub().bodies("dead")).toEqual([
      { queue: "driver" },
      { queue: "driver", reason: "refused", error: "street", limit: 5, afterSeq: 7 },
    ]);
  });

  it("are put back, at a rate, and thrown away", async () => {
    hub().answer("redrive", () => ({ ok: true, queue: "driver", redriven: 3 }));
    hub().answer("purge", () => ({ ok: true, queue: "driver", purged: 2 }));
    const { dead } = connectClient();
    expect(await dead.redrive("driver", { event: "pickup" }, { perSecond: 5 })).toBe(3);
    expect(await dead.purge("driver", { ids: ["m-1", "m-2"] })).toBe(2);
    expect(hub().bodies("redrive")).toEqual([{ queue: "driver", event: "pickup", perSecond: 5 }]);
    expect(hub().bodies("purge")).toEqual([{ queue: "driver", ids: ["m-1", "m-2"] }]);
  });

  it("are an operator's", async () => {
    const { dead } = connectClient();
    for (const refused of [dead.list("driver"), dead.redrive("driver"), dead.purge("driver")]) {
      await expect(refused).rejects.toMatchObject({ code: "FORBIDDEN", retryable: false });
    }
  });
});

it("an exclusive consumer is one on the next connection as well", async () => {
  const client = connectClient();
  await client.consume("driver", () => undefined, { exclusive: true, prefetch: 2 });
  hub().cut();
  await next(client, "disconnected");
  await hub().until(() => hub().bodies("consume").length === 2);
  const consumed = { queue: "driver", prefetch: 2, exclusive: true };
  expect(hub().bodies("consume")).toEqual([consumed, consumed]);
});

it("a message to be delivered at a time says so, and the others nothing of it", async () => {
  const client = connectClient();
  const deliverAt = "2026-12-24T18:00:00+01:00";
  await Promise.all([
    client.publish({ queue: "driver", event: "wake", deliverAt }),
    client.publish({ queue: "driver", event: "wake" }),
  ]);
  const [timed, other] = hub().published();
  expect(timed).toMatchObject({ deliverAt });
  expect(other).not.toHaveProperty("deliverAt");
});

it("a publish that finds the disk full is sent again under its id, until there is space", async () => {
  let full = 2;
  hub().answer("publish", (body) => {
    const { messages } = body as { messages: { id: string }[] };
    const error = new WaybillError("DISK_FULL", "no space").toWire();
    const results = messages.map(({ id }) => (full-- > 0 ? { id, error } : { id, seq: 1, status: "stored" }));
    return { ok: true, durability: "disk", results };
  });
  expect(await connectClient().publish({ id: "m-1", queue: "driver", event: "pickup" })).toMatchObject({ id: "m-1" });
  expect(
    hub()
      .published()
      .map(({ id }) => id),
  ).toEqual(["m-1", "m-1", "m-1"]);
});
