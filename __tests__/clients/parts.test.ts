import { Fifo } from "../../clients/hub-client/fifo";
import { FinishedMessages } from "../../clients/hub-client/finished-messages";
import { MessageIds } from "../../src/protocol/message-ids";
import { backoffDelay } from "../../clients/hub-client/backoff";
import { heapAfterCollection } from "../support/heap";

describe("Fifo", () => {
  it("gives back in order over more than it keeps at once", () => {
    const line = new Fifo<number>();
    const out: number[] = [];
    for (let n = 0; n < 20_000; n++) {
      line.push(n);
      if (n % 3 > 0) out.push(line.shift() ?? -1);
    }
    expect(line.length).toBe(20_000 - out.length);
    expect([...out, ...line.takeAll()]).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
    expect([line.length, line.peek(), line.shift()]).toEqual([0, undefined, undefined]);
  });

  it("does not hold what was taken out", () => {
    const line = new Fifo<string[]>();
    const before = heapAfterCollection();
    for (let n = 0; n < 10; n++) line.push(Array.from({ length: 100_000 }, () => ""));
    for (let n = 0; n < 10; n++) line.shift();
    expect(heapAfterCollection() - before).toBeLessThan(2_000_000);
    expect(line.length).toBe(0);
  });

  it("puts back before all others", () => {
    const line = new Fifo<number>();
    [1, 2, 3].forEach((n) => line.push(n));
    line.shift();
    line.putBack([8, 9]);
    expect(line.takeAll()).toEqual([8, 9, 2, 3]);
  });
});

describe("FinishedMessages", () => {
  const message = (n: number): { id: string; seq: number } => ({ id: `m${n}`, seq: n });

  it("remembers the last 10,000, and not everything", () => {
    const finished = new FinishedMessages();
    for (let n = 0; n < 35_000; n++) finished.add(message(n));
    for (let n = 25_000; n < 35_000; n++) expect(finished.has(message(n))).toBe(true);
    expect(finished.has(message(0))).toBe(false);
    expect(finished.has(message(14_999))).toBe(false);
  });

  it("tells messages of one id apart, and of one seq, as another hub's have", () => {
    const finished = new FinishedMessages();
    finished.add(message(1));
    expect(finished.has({ id: "m1", seq: 2 })).toBe(false);
    expect(finished.has({ id: "m2", seq: 1 })).toBe(false);
  });
});

describe("MessageIds", () => {
  it("sets clients apart, and fits the protocol", () => {
    const [one, other] = [new MessageIds().next(), new MessageIds().next()];
    expect(one).not.toBe(other);
    expect(one).toMatch(/^[0-9a-z]{9}-[0-9a-f]{10}-0000001$/);
  });
});

describe("backoffDelay", () => {
  it("doubles up to its bound, with jitter in its upper half", () => {
    const bounds = { firstMs: 100, maxMs: 1_000 };
    for (const [attempt, ceiling] of [
      [1, 100],
      [2, 200],
      [3, 400],
      [5, 1_000],
      [5_000, 1_000],
    ] as const) {
      const delay = backoffDelay(attempt, bounds);
      expect(delay).toBeGreaterThanOrEqual(ceiling / 2);
      expect(delay).toBeLessThanOrEqual(ceiling);
    }
  });
});

describe("afterTurn", () => {
  it("works where there is no setImmediate, as in browsers", async () => {
    const { setImmediate, MessageChannel } = globalThis;
    const port1: { onmessage?: () => void } = {};
    const port2 = { postMessage: () => queueMicrotask(() => port1.onmessage?.()) };
    Object.assign(globalThis, {
      setImmediate: undefined,
      MessageChannel: function FakeChannel() {
        return { port1, port2 };
      },
    });
    try {
      jest.resetModules();
      const { afterTurn } = await import("../../clients/hub-client/turn");
      const ran: number[] = [];
      const done = new Promise<void>((resolve) => {
        afterTurn(() => ran.push(1));
        afterTurn(() => resolve());
      });
      expect(ran).toEqual([]);
      await done;
      expect(ran).toEqual([1]);
    } finally {
      Object.assign(globalThis, { setImmediate, MessageChannel });
    }
  });
});
