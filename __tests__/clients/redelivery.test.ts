import { WaybillError } from "../../src/protocol/errors";
import type { DeliveredMessage } from "../../src/protocol/wire";
import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();
const again = (id: string, attempt: number) => deliveredMessage(id, { attempt, redelivered: true });

describe("a message delivered again", () => {
  it("is acked without a second handling when it was finished here, and the hub did not take the ack", async () => {
    const error = new WaybillError("LEASE_LOST", "Its lease has run out.").toWire();
    hub().answer("ack", ({ deliveries }) => ({ ok: true, results: deliveries.map(({ id }) => ({ id, error })) }));
    const seen: string[] = [];
    const client = connectClient();
    await client.consume("driver", ({ id }) => seen.push(id));
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    // Answered after the ack: what the hub sends next comes behind both.
    await client.publish({ queue: "driver", event: "mark" });
    hub().deliver("driver", again("m1", 2), deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length === 3);
    expect(seen).toEqual(["m1", "m2"]);
    expect(hub().settled("ack")).toEqual(["m1#1", "m1#2", "m2#1"]);
  });

  it("is another message when it does not say that it is redelivered", async () => {
    const seen: string[] = [];
    const client = connectClient();
    const consumer = await client.consume("driver", ({ id, seq }) => seen.push(`${id}/${seq}`));
    hub().deliver("driver", deliveredMessage("m1", { seq: 1 }));
    await hub().until(() => hub().settled("ack").length === 1);
    await consumer.cancel();
    await client.consume("driver", ({ id, seq }) => seen.push(`${id}/${seq}`));
    hub().deliver("driver", deliveredMessage("m1", { seq: 9 }));
    await hub().until(() => hub().settled("ack").length === 2);
    expect(seen).toEqual(["m1/1", "m1/9"]);
  });

  it("is acked once more when its ack is not known to be stored", async () => {
    hub().answer("ack", () => undefined);
    const seen: string[] = [];
    await connectClient().consume("driver", ({ id }) => seen.push(id));
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    hub().deliver("driver", deliveredMessage("m1", { attempt: 2 }));
    await hub().until(() => hub().settled("ack").length === 2);
    expect(seen).toEqual(["m1"]);
    expect(hub().settled("ack")).toEqual(["m1#1", "m1#2"]);
  });

  it("does not start a second handler while the first works, and is acked under the newer attempt", async () => {
    const [work, started] = [gate(), gate()];
    const seen: string[] = [];
    await connectClient().consume("driver", ({ id }) => {
      seen.push(id);
      if (id !== "m1") return;
      started.open();
      return work.opened;
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().deliver("driver", again("m1", 1));
    hub().deliver("driver", again("m1", 2), deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length === 1);
    work.open();
    await hub().until(() => hub().settled("ack").length === 2);
    expect(seen).toEqual(["m1", "m2"]);
    expect(hub().settled("ack")).toEqual(["m2#1", "m1#2"]);
  });

  it("is handled when its handler threw", async () => {
    const attempts: number[] = [];
    await connectClient().consume("driver", ({ attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error("not yet");
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("nack").length === 1);
    hub().deliver("driver", again("m1", 2));
    await hub().until(() => hub().settled("ack").length === 1);
    expect(attempts).toEqual([1, 2]);
  });
});

describe("another message of an id, as of one event that was published to two rooms", () => {
  const named = (seq: number, over: Partial<DeliveredMessage> = {}) => deliveredMessage("m1", { seq, ...over });

  it("is handled, and has an ack of its own, while that of the first is not answered", async () => {
    hub().answer("ack", () => undefined);
    const seen: number[] = [];
    await connectClient().consume("driver", ({ seq }) => seen.push(seq));
    hub().deliver("driver", named(1));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    hub().deliver("driver", named(2, { attempt: 2, redelivered: true }));
    await hub().until(() => hub().settled("ack").length === 2);
    expect(seen).toEqual([1, 2]);
    expect(hub().settled("ack")).toEqual(["m1#1", "m1#2"]);
  });

  it("is handled beside a handler that has lost the first, whose end settles nothing", async () => {
    const [begun, works] = [gate(), gate()];
    const seen: string[] = [];
    const client = connectClient();
    const consumer = await client.consume("driver", async ({ seq }, { signal }) => {
      seen.push(`begins ${seq}`);
      if (seq === 1) {
        begun.open();
        await works.opened;
      }
      seen.push(`ends ${seq}${signal.aborted ? ", lost" : ""}`);
    });
    hub().deliver("driver", named(1));
    await begun.opened;
    hub().deliver("driver", named(2, { attempt: 2 }));
    await hub().until(() => hub().settled("ack").length === 1);
    let isThrough = false;
    const cancelled = consumer.cancel().then(() => (isThrough = true));
    // Answered after the cancel, each in a turn of its own.
    for (const event of ["mark", "mark"]) await client.publish({ queue: "driver", event });
    expect(isThrough).toBe(false);
    works.open();
    await cancelled;
    expect(seen).toEqual(["begins 1", "begins 2", "ends 2", "ends 1, lost"]);
    expect(hub().settled("ack")).toEqual(["m1#2"]);
  });

  it("leaves the first to the handler that is at work on it, when that comes back", async () => {
    const [begun, work] = [gate(), gate()];
    const seen: number[] = [];
    await connectClient().consume("driver", ({ seq }) => {
      seen.push(seq);
      if (seq !== 1) return;
      begun.open();
      return work.opened;
    });
    hub().deliver("driver", named(1));
    await begun.opened;
    hub().deliver("driver", named(2, { attempt: 2 }));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().deliver("driver", named(1, { attempt: 3, redelivered: true }), deliveredMessage("m2", { seq: 3 }));
    await hub().until(() => hub().settled("ack").length === 2);
    work.open();
    await hub().until(() => hub().settled("ack").length === 3);
    expect(seen).toEqual([1, 2, 3]);
    expect(hub().settled("ack")).toEqual(["m1#2", "m2#1", "m1#3"]);
  });

  it("is handled again after it failed, also where the first was finished here", async () => {
    const error = new WaybillError("LEASE_LOST", "Its lease has run out.").toWire();
    hub().answer("ack", ({ deliveries }) => ({ ok: true, results: deliveries.map(({ id }) => ({ id, error })) }));
    const seen: string[] = [];
    await connectClient().consume("driver", ({ seq, attempt }) => {
      seen.push(`${seq}#${attempt}`);
      if (attempt === 2) throw new Error("not yet");
    });
    hub().deliver("driver", named(1));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    hub().deliver("driver", named(2, { attempt: 2 }));
    await hub().until(() => hub().settled("nack").length === 1);
    hub().deliver("driver", named(2, { attempt: 3, redelivered: true }));
    await hub().until(() => hub().settled("ack").length === 2);
    expect(seen).toEqual(["1#1", "2#2", "2#3"]);
  });
});

describe("a reconnect that resumes the session", () => {
  it("shows the session, consumes again and sends the acks that were not answered", async () => {
    hub().answer("ack", () => undefined);
    const client = connectClient({ clientId: "acme", token: "signed" });
    const seen: string[] = [];
    await client.consume("driver", ({ id }) => seen.push(id));
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    hub().welcome = { resumed: true };
    // The hub gives a resumed session what it holds, as soon as it consumes again.
    hub().answer("consume", () => {
      hub().deliver("driver", again("m1", 1), deliveredMessage("m2"));
      return { ok: true, queue: "driver", ready: 0 };
    });
    hub().cut();
    await hub().until(() => hub().settled("ack", 2).includes("m2#1"));
    expect(hub().handshakes).toEqual([
      { clientId: "acme", token: "signed", together: true, brief: true },
      { clientId: "acme", token: "signed", session: "session-1", together: true, brief: true },
    ]);
    expect(hub().settled("ack", 2)[0]).toBe("m1#1");
    expect(seen).toEqual(["m1", "m2"]);
  });

  it("sends the verdict of a handler that worked through the cut", async () => {
    const [work, started] = [gate(), gate()];
    const client = connectClient();
    await client.consume("driver", (_message, { signal }) => {
      started.open();
      return work.opened.then(() => expect(signal.aborted).toBe(false));
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().welcome = { resumed: true };
    hub().cut();
    await next(client, "connected");
    work.open();
    await hub().until(() => hub().settled("ack", 2).length === 1);
  });

  it("sends an unanswered nack again, and does not handle the same attempt meanwhile", async () => {
    hub().answer("nack", () => undefined);
    const attempts: number[] = [];
    await connectClient().consume("driver", ({ attempt }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error("not yet");
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("nack").length === 1);
    hub().welcome = { resumed: true };
    hub().answer("consume", () => {
      hub().deliver("driver", again("m1", 1));
      hub().deliver("driver", again("m1", 2));
      return { ok: true, queue: "driver", ready: 0 };
    });
    hub().cut();
    await hub().until(() => hub().settled("ack", 2).length === 1);
    expect(hub().settled("nack", 2)).toEqual(["m1#1"]);
    expect(attempts).toEqual([1, 2]);
  });

  it.each([
    ["was not answered", "before the cut"],
    ["comes while it is away", "after it"],
  ])("fetches what the hub holds for a consumer whose cancel %s, and gives it back", async (_what, when) => {
    hub().answer("cancel", (_body, connection) => (connection === 1 ? undefined : { ok: true, queue: "driver" }));
    const seen: string[] = [];
    const client = connectClient();
    const consumer = await client.consume("driver", ({ id }) => seen.push(id), { prefetch: 5 });
    hub().welcome = { resumed: true };
    hub().answer("consume", () => {
      hub().deliver("driver", again("m1", 1));
      return { ok: true, queue: "driver", ready: 0 };
    });
    let cancelled = when === "before the cut" ? consumer.cancel() : undefined;
    if (cancelled) await hub().until(() => hub().bodies("cancel").length === 1);
    hub().cut();
    await next(client, "disconnected");
    cancelled ??= consumer.cancel();
    await cancelled;
    const names = hub().requests.filter(({ connection }) => connection === 2);
    expect(names.map(({ name }) => name)).toEqual(["consume", "cancel", "nack"]);
    expect(hub().bodies("consume", 2)).toEqual([{ queue: "driver", prefetch: 1 }]);
    expect(hub().bodies("nack")).toEqual([{ queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], release: true }]);
    expect(seen).toEqual([]);
  });
});

describe("a consumer that is cancelled as its session comes back", () => {
  it("fetches first what the hub holds for it, though its consuming again was not answered yet", async () => {
    const seen: string[] = [];
    const client = connectClient();
    const consumer = await client.consume("driver", ({ id }) => seen.push(id), { prefetch: 5 });
    hub().welcome = { resumed: true };
    hub().answer("consume", ({ prefetch }) => {
      if (prefetch === 5) return undefined;
      hub().deliver("driver", again("m1", 1));
      return { ok: true, queue: "driver", ready: 0 };
    });
    const cancelled = new Promise((resolve) => client.on("connected", () => resolve(consumer.cancel())));
    hub().cut();
    await cancelled;
    const names = hub().requests.filter(({ connection }) => connection === 2);
    expect(names.map(({ name }) => name)).toEqual(["consume", "consume", "cancel", "nack"]);
    expect(hub().bodies("nack")).toEqual([{ queue: "driver", deliveries: [{ id: "m1", attempt: 1 }], release: true }]);
    expect(seen).toEqual([]);
  });
});

describe("a reconnect that does not resume the session", () => {
  it("ends a consumer whose cancel was not answered, without consuming again", async () => {
    hub().answer("cancel", () => undefined);
    const client = connectClient();
    const consumer = await client.consume("driver", () => undefined);
    const cancelled = consumer.cancel();
    await hub().until(() => hub().bodies("cancel").length === 1);
    hub().cut();
    await cancelled;
    await client.publish({ queue: "driver", event: "mark" });
    expect(hub().requests.map(({ name }) => name)).toEqual(["consume", "cancel", "publish"]);
  });

  it("aborts the signals, and acks a finished message only when it is delivered again", async () => {
    const [work, started, aborted] = [gate(), gate(), gate()];
    const seen: string[] = [];
    const client = connectClient();
    await client.consume("driver", async ({ id }, { signal }) => {
      seen.push(id);
      if (id !== "m1") return;
      signal.addEventListener("abort", () => aborted.open());
      started.open();
      await work.opened;
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().cut();
    await aborted.opened;
    work.open();
    await hub().until(() => hub().bodies("consume", 2).length === 1);
    hub().deliver("driver", deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack").length === 1);
    expect(hub().settled("ack")).toEqual(["m2#1"]);
    hub().deliver("driver", again("m1", 2));
    await hub().until(() => hub().settled("ack").length === 2);
    expect(hub().settled("ack")).toEqual(["m2#1", "m1#2"]);
    expect(seen).toEqual(["m1", "m2"]);
  });

  it("drops the acks that were not answered, and acks their messages when they are delivered again", async () => {
    hub().answer("ack", () => undefined);
    const client = connectClient();
    const seen: string[] = [];
    await client.consume("driver", ({ id }) => seen.push(id));
    hub().deliver("driver", deliveredMessage("m1"));
    await hub().until(() => hub().settled("ack").length === 1);
    hub().answerAsUsual("ack");
    hub().cut();
    await hub().until(() => hub().bodies("consume", 2).length === 1);
    hub().deliver("driver", deliveredMessage("m2"));
    await hub().until(() => hub().settled("ack", 2).length > 0);
    expect(hub().settled("ack", 2)).toEqual(["m2#1"]);
    hub().deliver("driver", again("m1", 2));
    await hub().until(() => hub().settled("ack", 2).length > 1);
    expect(hub().settled("ack", 2)).toEqual(["m2#1", "m1#2"]);
    expect(seen).toEqual(["m1", "m2"]);
  });

  it("lets a handler that still works settle the attempt that it was given again", async () => {
    const [work, started] = [gate(), gate()];
    let handled = 0;
    const client = connectClient();
    await client.consume("driver", () => {
      handled++;
      started.open();
      return work.opened;
    });
    hub().deliver("driver", deliveredMessage("m1"));
    await started.opened;
    hub().answer("consume", () => {
      hub().deliver("driver", again("m1", 2));
      return { ok: true, queue: "driver", ready: 0 };
    });
    hub().answer("extend", () => undefined);
    hub().cut();
    await hub().until(() => hub().bodies("consume", 2).length === 1);
    // Delivered before this answer: the client has seen it once it publishes after.
    await client.publish({ queue: "driver", event: "mark" });
    work.open();
    await hub().until(() => hub().settled("ack").length === 1);
    expect(hub().settled("ack")).toEqual(["m1#2"]);
    expect(handled).toBe(1);
  });
});
