import { Decoder, Encoder, PacketType, type Packet } from "socket.io-parser";
import { queueAddress, type Delivery, type Message } from "../../src/queue/message";
import { JsonText, SplicingEncoder } from "../../src/protocol/json-text";
import { deliverTexts } from "../../src/transport/encoder";
import { storedMessage } from "../support/deliveries";

const NOW = Date.UTC(2026, 4, 1, 12);
const NO_LIMITS = { maxBatch: 1000, maxTextLength: 1_000_000 };
const NASTY = [
  "plain",
  'quote " and \\ backslash',
  "tab\tnewline\n\u0000",
  "ümläut 漢字 🚚",
  "\ud800 lone",
  "</script>\u2028",
  "",
];

function delivery(namespace: string, changes: Partial<Message>, attempt = 1): Delivery {
  const message = storedMessage({
    queue: queueAddress(namespace, "driver"),
    publishedAt: NOW - 5_000,
    attempts: attempt,
    ...changes,
  });
  return { message, attempt, holder: "s-1", client: "d1", deadline: NOW + 30_000 };
}

/** What the stock encoder would be given for the same deliveries. */
function plainArgument(queue: string, deliveries: readonly Delivery[], again: boolean) {
  return {
    queue,
    messages: deliveries.map(({ message, attempt, deadline }) => ({
      id: message.id,
      seq: message.seq,
      event: message.event,
      payload: JSON.parse(message.payload),
      attempt,
      redelivered: again || attempt > 1 ? true : undefined,
      publishedAt: new Date(message.publishedAt).toISOString(),
      publisher: message.publisher,
      leaseMs: Math.max(0, deadline - NOW),
      priority: message.priority === 4 ? undefined : message.priority,
      group: message.group,
      room: message.room,
      headers: message.headers === undefined ? undefined : JSON.parse(message.headers),
    })),
  };
}

function textOf(encoder: Encoder, nsp: string, argument: unknown): string {
  const [text, ...rest] = encoder.encode({ type: PacketType.EVENT, nsp, data: ["deliver", argument] }) as string[];
  expect(rest).toEqual([]);
  return text ?? "";
}

function decode(text: string): Packet {
  const packets: Packet[] = [];
  const decoder = new Decoder();
  decoder.on("decoded", (packet) => packets.push(packet));
  decoder.add(text);
  expect(packets).toHaveLength(1);
  return packets[0] as Packet;
}

const payloads = ["null", "0", '""', "[]", '{"deep":[{"a":null},"\\ud83d\\ude9a"]}', JSON.stringify(NASTY)];
const changes: Partial<Message>[] = [
  {},
  ...payloads.map((payload) => ({ payload })),
  ...NASTY.flatMap((text) => [{ id: text }, { event: text }, { group: text }, { publisher: text }, { room: text }]),
  ...[0, 4, 9].map((priority) => ({ priority })),
  { headers: "{}" },
  { headers: JSON.stringify({ trace: 'a"b', "x-y": "ü" }) },
  { publishedAt: 0 },
  { seq: Number.MAX_SAFE_INTEGER },
];

it.each(["/", "/caps", "/a-b/c.d"])("a deliver in namespace %s reads as the stock encoder's", (namespace) => {
  const queue = queueAddress(namespace, "driver");
  for (const change of changes) {
    for (const again of [false, true]) {
      for (const attempt of [1, 2]) {
        const deliveries = [delivery(namespace, change, attempt), delivery(namespace, { id: "m-2" })];
        const [text, ...more] = deliverTexts(queue, deliveries, again, NOW, NO_LIMITS);
        expect(more).toEqual([]);
        const spliced = decode(textOf(new SplicingEncoder(), namespace, text));
        const stock = decode(textOf(new Encoder(), namespace, plainArgument("driver", deliveries, again)));
        expect({ change, ...spliced }).toEqual({ change, ...stock });
        // The same order of fields as well, for people who read the wire.
        expect(JSON.stringify(spliced.data)).toBe(JSON.stringify(stock.data));
      }
    }
  }
});

it("says what is left of the lease, never less than nothing", () => {
  const late = { ...delivery("/", {}), deadline: NOW - 1 };
  const [text] = deliverTexts(queueAddress("/", "driver"), [late], true, NOW, NO_LIMITS);
  expect(JSON.parse(text?.json ?? "")).toMatchObject({ messages: [{ leaseMs: 0 }] });
});

it("splits by number of messages, and by length, and keeps the order", () => {
  const many = Array.from({ length: 25 }, (_, index) => delivery("/", { id: `m-${index}` }));
  const idsOf = (limits: typeof NO_LIMITS) =>
    deliverTexts(queueAddress("/", "q"), many, false, NOW, limits).map((text) => {
      const { messages } = JSON.parse(text.json) as { messages: { id: string }[] };
      return messages.map(({ id }) => id);
    });
  const all = many.map(({ message }) => message.id);
  expect(idsOf({ ...NO_LIMITS, maxBatch: 10 }).map((ids) => ids.length)).toEqual([10, 10, 5]);
  expect(idsOf({ ...NO_LIMITS, maxBatch: 10 }).flat()).toEqual(all);
  const short = idsOf({ ...NO_LIMITS, maxTextLength: 500 });
  expect(short.length).toBeGreaterThan(5);
  expect(short.flat()).toEqual(all);
  expect(idsOf({ ...NO_LIMITS, maxTextLength: 1 }).map((ids) => ids.length)).toEqual(all.map(() => 1));
});

it.each([
  { type: PacketType.EVENT, nsp: "/caps", id: 12, data: ["publish", { messages: [{ event: "é" }] }] },
  { type: PacketType.ACK, nsp: "/", id: 0, data: [{ ok: true, seqs: [1, 2] }] },
  { type: PacketType.ACK, nsp: "/caps", id: 7, data: [{ ok: false }] },
])("a packet with an answer to come, or with one, reads as the stock encoder's: %j", (packet: Packet) => {
  const [text] = new Encoder().encode(packet) as [string];
  const data = [...(packet.data as unknown[])];
  const spliced = { ...packet, data: [...data.slice(0, -1), new JsonText(JSON.stringify(data[data.length - 1]))] };
  expect(new SplicingEncoder().encode(spliced)).toEqual([text]);
});

it("leaves every other packet to the stock encoder", () => {
  const packets: Packet[] = [
    { type: PacketType.CONNECT, nsp: "/caps", data: { sid: "x" } },
    { type: PacketType.EVENT, nsp: "/", data: ["welcome", { a: 1 }] },
    { type: PacketType.EVENT, nsp: "/", data: ["bytes", Buffer.from("ab")] },
    { type: PacketType.ACK, nsp: "/caps", id: 3, data: [{ ok: true }] },
    { type: PacketType.DISCONNECT, nsp: "/" },
  ];
  for (const packet of packets) expect(new SplicingEncoder().encode(packet)).toEqual(new Encoder().encode(packet));
});
