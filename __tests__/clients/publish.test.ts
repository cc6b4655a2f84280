import { WaybillError, type PublishMessage } from "../../clients/hub-client";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

const order = (n: number, over: Partial<PublishMessage> = {}): PublishMessage => ({
  queue: "driver",
  event: "pickup",
  payload: { n },
  ...over,
});
const payloads = (messages: readonly PublishMessage[]) => messages.map(({ payload }) => (payload as { n: number }).n);
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

describe("publishing", () => {
  it("resolves with the hub's confirmation", async () => {
    const client = connectClient();
    const confirmation = await client.publish(order(1, { id: "order-1" }));
    expect(confirmation).toEqual({ id: "order-1", seq: 1, status: "stored", durability: "disk" });
    expect(await client.publish(order(1, { id: "order-1" }))).toMatchObject({ seq: 1, status: "duplicate" });
  });

  it("sends what one turn publishes in few packets, in order", async () => {
    const client = connectClient();
    await client.ready();
    const confirmations = await Promise.all(numbers(100).map((n) => client.publish(order(n))));
    expect(hub().bodies("publish")).toHaveLength(1);
    expect(payloads(hub().published())).toEqual(numbers(100));
    expect(confirmations.map(({ seq }) => seq)).toEqual(numbers(100).map((n) => n + 1));
  });

  it("makes ids that sort in the order of publishing", async () => {
    const client = connectClient();
    const ids = (await Promise.all(numbers(50).map((n) => client.publish(order(n))))).map(({ id }) => id);
    expect(new Set(ids).size).toBe(50);
    expect([...ids].sort()).toEqual(ids);
  });

  it("keeps packets under maxBatch and far below maxPacketBytes", async () => {
    hub().welcome = {
      limits: { maxPayloadBytes: 50_000, maxBatch: 10, maxPacketBytes: 60_000, maxPrefetch: 1 },
    };
    const client = connectClient();
    await client.ready();
    await Promise.all([
      ...numbers(25).map((n) => client.publish(order(n))),
      ...numbers(5).map((n) => client.publish(order(n, { payload: { n, text: "x".repeat(20_000) } }))),
    ]);
    const packets = hub().bodies("publish") as { messages: PublishMessage[] }[];
    expect(Math.max(...packets.map(({ messages }) => messages.length))).toBe(10);
    expect(Math.max(...packets.map((packet) => JSON.stringify(packet).length))).toBeLessThan(30_000);
    expect(payloads(hub().published())).toEqual([...numbers(25), ...numbers(5)]);
  });

  it("keeps packets of several messages below 100 KiB, and sends one that is larger by itself", async () => {
    const client = connectClient();
    await client.ready();
    const sizes = [...numbers(60).map(() => 4_000), 200_000, ...numbers(60).map(() => 4_000)];
    await Promise.all(sizes.map((size, n) => client.publish(order(n, { payload: { n, text: "x".repeat(size) } }))));
    const packets = hub().bodies("publish") as { messages: PublishMessage[] }[];
    const shared = packets.filter(({ messages }) => messages.length > 1);
    expect(Math.max(...shared.map((packet) => JSON.stringify(packet).length))).toBeLessThan(100 * 1_024);
    expect(shared.length).toBeLessThan(10);
    expect(payloads(hub().published())).toEqual(sizes.map((_, n) => n));
  });

  it("refuses by itself what no packet can carry, which would end the connection", async () => {
    hub().welcome = { limits: { maxPayloadBytes: 9_000, maxBatch: 10, maxPacketBytes: 10_000, maxPrefetch: 1 } };
    const client = connectClient();
    await expect(client.publish(order(1, { payload: "x".repeat(20_000) }))).rejects.toMatchObject({
      code: "TOO_LARGE",
    });
    expect(hub().published()).toEqual([]);
  });

  it("waits for the first welcome with what is published before", async () => {
    const client = connectClient();
    expect(client.state).toBe("connecting");
    await Promise.all([client.publish(order(1)), client.publish(order(2))]);
    expect(client.state).toBe("connected");
    expect(payloads(hub().published())).toEqual([1, 2]);
  });

  it("sends null for a payload that was left out", async () => {
    await connectClient().publish({ queue: "driver", event: "tick" });
    expect(hub().published()[0]).toMatchObject({ event: "tick", payload: null });
  });

  it.each([
    ["no target", { event: "pickup" }, /exactly one of queue, room and client/],
    ["two targets", { queue: "driver", room: "north", event: "pickup" }, /exactly one of queue, room and client/],
    ["an empty queue", { queue: "", event: "pickup" }, /queue must be/],
    ["an empty event", { queue: "driver", event: "" }, /event must be/],
    ["an empty id", { queue: "driver", event: "pickup", id: "" }, /id must be/],
    ["a bigint", { queue: "driver", event: "pickup", payload: { n: 1n } }, /payload holds a bigint/],
    ["bytes", { queue: "driver", event: "pickup", payload: new Uint8Array(3) }, /payload holds binary data/],
    ["a circle", { queue: "driver", event: "pickup", payload: circle() }, /payload is nested deeper/],
    ["what is nested too deeply", { queue: "driver", event: "pickup", payload: nested(257) }, /nested deeper than 256/],
    ["a getter that throws", { queue: "driver", event: "pickup", payload: { inner: throwing() } }, /cannot be written/],
    [
      "a field that throws",
      {
        ...order(1),
        queue: undefined,
        get room() {
          return refuse();
        },
      },
      /cannot be written/,
    ],
    ["a proxy that throws", { queue: "driver", event: "pickup", payload: revoked() }, /cannot be written/],
    ["what cannot say what it is", { queue: "driver", event: "pickup", payload: unspeakable() }, /cannot be written/],
  ])("rejects %s with INVALID, and names the field", async (_what, message: PublishMessage, text) => {
    const client = connectClient();
    const failure = client.publish(message);
    await expect(failure).rejects.toThrow(text);
    await expect(failure).rejects.toMatchObject({ code: "INVALID", retryable: false });
  });

  it("sends what is nested as deeply as the hub takes", async () => {
    await connectClient().publish({ queue: "driver", event: "pickup", payload: nested(256) });
    expect(hub().published()[0]?.payload).toEqual(nested(256));
  });

  it("rejects past maxUnconfirmed, and takes more once some are confirmed", async () => {
    const client = connectClient({ maxUnconfirmed: 2 });
    const waiting = [client.publish(order(1)), client.publish(order(2))];
    await expect(client.publish(order(3))).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
    await Promise.all(waiting);
    await client.publish(order(4));
    expect(payloads(hub().published())).toEqual([1, 2, 4]);
  });

  it("rejects past maxUnconfirmedBytes", async () => {
    const client = connectClient({ maxUnconfirmedBytes: 1_000 });
    const first = client.publish(order(1, { payload: { n: 1, text: "x".repeat(900) } }));
    await expect(client.publish(order(2))).rejects.toMatchObject({ code: "QUEUE_FULL" });
    await first;
  });

  it("gives up a publish whose signal is aborted, and sends nothing of it", async () => {
    const client = connectClient();
    const stop = new AbortController();
    const given = client.publish(order(1), { signal: stop.signal });
    stop.abort(new Error("changed my mind"));
    await expect(given).rejects.toThrow("changed my mind");
    await client.publish(order(2));
    expect(payloads(hub().published())).toEqual([2]);
  });
});

describe("giving up while the hub is away", () => {
  it("leaves nothing of thousands of publishes behind, and keeps the order of the others", async () => {
    const client = connectClient({ maxUnconfirmed: 10 });
    const kept = [client.publish(order(1))];
    for (let n = 0; n < 2_500; n++) {
      const stop = new AbortController();
      const given = client.publish(order(-1), { signal: stop.signal });
      stop.abort();
      await expect(given).rejects.toMatchObject({ name: "AbortError" });
    }
    kept.push(client.publish(order(2)));
    await Promise.all(kept);
    expect(payloads(hub().published()).filter((n) => n > 0)).toEqual([1, 2]);
  });
});

describe("a refused publish", () => {
  const refused = (code: "QUEUE_FULL" | "FORBIDDEN") => ({ error: new WaybillError(code, `no: ${code}`).toWire() });

  it("rejects only its own promise when the refusal is for good", async () => {
    hub().answer("publish", (body) => ({
      ok: true,
      durability: "disk",
      results: (body as { messages: PublishMessage[] }).messages.map((message, index) =>
        message.queue === "secret" ? refused("FORBIDDEN") : { id: message.id, seq: index, status: "stored" },
      ),
    }));
    const client = connectClient();
    const [first, second, third] = await Promise.allSettled([
      client.publish(order(1)),
      client.publish(order(2, { queue: "secret" })),
      client.publish(order(3)),
    ]);
    expect([first?.status, third?.status]).toEqual(["fulfilled", "fulfilled"]);
    expect(second).toMatchObject({ status: "rejected", reason: { code: "FORBIDDEN", message: "no: FORBIDDEN" } });
  });

  it("is sent again under its id when the refusal is for now; others go on, and its own target waits in order", async () => {
    let refusals = 0;
    hub().answer("publish", (body) => ({
      ok: true,
      durability: "disk",
      results: (body as { messages: PublishMessage[] }).messages.map((message, index) =>
        message.queue === "driver" && refusals++ < 3
          ? refused("QUEUE_FULL")
          : { id: message.id, seq: index, status: "stored" },
      ),
    }));
    const client = connectClient();
    await client.ready();
    const driver = [1, 2, 3].map((n) => client.publish(order(n, { id: `d${n}` })));
    await client.publish(order(4, { queue: "billing" }));
    // While the target is held back, what follows for it waits in line behind.
    driver.push(client.publish(order(5, { id: "d5" })));
    await client.publish(order(6, { queue: "billing" }));
    expect((await Promise.all(driver)).map(({ id }) => id)).toEqual(["d1", "d2", "d3", "d5"]);
    const to = (queue: string) =>
      payloads(
        hub()
          .published()
          .filter((message) => message.queue === queue),
      );
    expect(to("driver")).toEqual([1, 2, 3, 1, 2, 3, 5]);
    expect(to("billing")).toEqual([4, 6]);
  });

  it("is tried by itself when its batch was refused as a whole", async () => {
    hub().answer("publish", (body) => {
      const { messages } = body as { messages: PublishMessage[] };
      if (messages.some(({ queue }) => queue === "bad:name")) {
        return { ok: false, error: new WaybillError("INVALID", "queue is not a name").toWire() };
      }
      return { ok: true, durability: "disk", results: messages.map(({ id }) => ({ id, seq: 1, status: "stored" })) };
    });
    const client = connectClient();
    const outcomes = await Promise.allSettled(
      ["driver", "bad:name", "driver"].map((queue, n) => client.publish(order(n, { queue }))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("is sent again after an answer that makes no sense, which the client tells of", async () => {
    const answers: unknown[] = [
      "what?",
      { ok: true, results: "none" },
      { ok: true, results: [null], durability: "disk" },
    ];
    hub().answer("publish", (body) => {
      if (answers.length > 0) return answers.shift();
      hub().answerAsUsual("publish");
      const { messages } = body as { messages: PublishMessage[] };
      return { ok: true, durability: "disk", results: messages.map(({ id }) => ({ id, seq: 1, status: "stored" })) };
    });
    const client = connectClient();
    const refusal = next(client, "refused");
    await client.publish(order(1));
    expect(await refusal).toMatchObject({ event: "publish", error: { code: "INVALID" } });
    expect(hub().bodies("publish")).toHaveLength(4);
  });

  it("is what its payload was when it was published, also when it is sent again", async () => {
    const client = connectClient();
    const payload: Record<string, unknown> = { n: 1 };
    const publish = client.publish(order(1, { payload }));
    payload.n = 2;
    payload.self = payload;
    await publish;
    expect(payloads(hub().published())).toEqual([1]);
  });
});

describe("a brief answer", () => {
  it("confirms all that it has a seq for, and no more", async () => {
    const answers = [[7], [8]];
    hub().answer("publish", () => ({ ok: true, seqs: answers.shift(), durability: "disk" }));
    const client = connectClient();
    await client.ready();
    const publishes = [client.publish(order(1, { id: "a" })), client.publish(order(2, { id: "b" }))];
    expect(await Promise.all(publishes)).toEqual([
      { id: "a", seq: 7, status: "stored", durability: "disk" },
      { id: "b", seq: 8, status: "stored", durability: "disk" },
    ]);
    expect(payloads(hub().published())).toEqual([1, 2, 2]);
  });
});

describe("publishing over a cut", () => {
  it("sends what was not confirmed again, under the same ids, in order and before anything newer", async () => {
    hub().answer("publish", () => undefined);
    const client = connectClient({ maxBatch: 3 });
    await client.ready();
    const before = numbers(40).map((n) => client.publish(order(n)));
    await hub().until(() => hub().published().length === 24);
    hub().answerAsUsual("publish");
    hub().cut();
    await next(client, "disconnected");
    const after = numbers(5).map((n) => client.publish(order(40 + n)));
    await Promise.all([...before, ...after]);
    const again = hub().published(2);
    expect(payloads(again)).toEqual(numbers(45));
    expect(again.slice(0, 24).map(({ id }) => id)).toEqual(
      hub()
        .published(1)
        .map(({ id }) => id),
    );
  });

  it("is confirmed as a duplicate when only the confirmation was lost", async () => {
    const client = connectClient();
    await client.ready();
    await client.publish(order(1, { id: "order-1" }));
    hub().answer("publish", () => undefined);
    const publish = client.publish(order(1, { id: "order-1" }));
    await hub().until(() => hub().published().length === 2);
    hub().answerAsUsual("publish");
    hub().cut();
    expect(await publish).toMatchObject({ id: "order-1", status: "duplicate", seq: 1 });
  });

  it("makes the connection anew when the hub does not answer in time", async () => {
    hub().answer("publish", () => undefined);
    const client = connectClient({ requestTimeoutMs: 100 });
    const publish = client.publish(order(1, { id: "order-1" }));
    await hub().until(() => hub().published().length === 1);
    hub().answerAsUsual("publish");
    expect(await publish).toMatchObject({ id: "order-1" });
    expect(hub().handshakes).toHaveLength(2);
  });
});

function refuse(): never {
  throw new Error("no words");
}

function unspeakable(): unknown {
  return { toJSON: refuse };
}

function throwing(): unknown {
  return Object.defineProperty({}, "word", { get: refuse, enumerable: true });
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function nested(depth: number): unknown {
  return JSON.parse("[".repeat(depth) + "]".repeat(depth));
}

function circle(): unknown {
  const payload: Record<string, unknown> = {};
  payload.self = payload;
  return payload;
}
