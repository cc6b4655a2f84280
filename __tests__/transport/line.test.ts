import { EventEmitter } from "node:events";
import { Line, type RawConnection } from "../../src/transport/line";

/** A raw connection to which `send` writes, and which takes nothing of it. */
function stuckLine(maxBufferedBytes: number) {
  const raw = new EventEmitter();
  const stuck: number[] = [];
  const line = new Line(
    raw as unknown as RawConnection,
    maxBufferedBytes,
    (waitingBytes) => void stuck.push(waitingBytes),
  );
  return { stuck, raw, line, send: (length: number) => void raw.emit("packetCreate", { data: "x".repeat(length) }) };
}

it("tells once that more waits to be read than may, after whoever sends is through", async () => {
  const { stuck, send } = stuckLine(100);
  send(60);
  send(60);
  expect(stuck).toEqual([]);
  send(60);
  await Promise.resolve();
  send(60);
  await Promise.resolve();
  expect(stuck).toEqual([120]);
});

it("counts only what the transport has not taken", async () => {
  const { stuck, send, raw } = stuckLine(100);
  send(60);
  raw.emit("flush");
  send(60);
  await Promise.resolve();
  expect(stuck).toEqual([]);
});

it("has room until half of what may wait does, and again when the transport has taken that", () => {
  const { line, send, raw } = stuckLine(100);
  const told: string[] = [];
  send(50);
  expect(line.hasRoom).toBe(true);
  send(1);
  expect(line.hasRoom).toBe(false);
  line.onRoom(() => told.push("first"));
  line.onRoom(() => told.push("second"));
  expect(told).toEqual([]);
  raw.emit("flush");
  expect(line.hasRoom).toBe(true);
  raw.emit("drain");
  raw.emit("drain");
  expect(told).toEqual(["first", "second"]);
});

it("tells those who come while it tells others the next time", () => {
  const { line, raw } = stuckLine(100);
  const told: string[] = [];
  line.onRoom(() => {
    told.push("first");
    line.onRoom(() => told.push("second"));
  });
  raw.emit("drain");
  expect(told).toEqual(["first"]);
  raw.emit("drain");
  expect(told).toEqual(["first", "second"]);
});
