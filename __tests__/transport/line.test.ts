import { EventEmitter } from "node:events";
import { Line, type RawConnection } from "../../src/transport/line";

/** A raw connection to which `send` writes, and which takes nothing of it. */
function stuckLine(maxBufferedBytes: number): { stuck: number[]; send: (length: number) => void; raw: EventEmitter } {
  const raw = new EventEmitter();
  const stuck: number[] = [];
  new Line(raw as unknown as RawConnection, maxBufferedBytes, (waitingBytes) => void stuck.push(waitingBytes));
  return { stuck, raw, send: (length) => void raw.emit("packetCreate", { data: "x".repeat(length) }) };
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
