import { queueAddress, sizeOf, type Delivery } from "../../src/queue/message";
import { Outstanding } from "../../src/queue/outstanding";
import { DeliveryBacklog, fitIn } from "../../src/transport/delivery-backlog";
import { deliveryOf } from "../support/deliveries";

const QUEUE = queueAddress("/", "driver");
const SIZE = sizeOf(deliveryOf({ id: "m-0" }).message);

/** What a session has out of one queue, and a backlog for it. */
function backlogOf(deliveries: readonly Delivery[]): { out: Outstanding; backlog: DeliveryBacklog } {
  const out = new Outstanding(QUEUE);
  for (const delivery of deliveries) out.take(delivery);
  const session = {
    outOf: () => out,
    get heldCount() {
      return out.deliveries.size;
    },
  };
  return { out, backlog: new DeliveryBacklog(session) };
}

function some(count: number, attempt = 1): Delivery[] {
  return Array.from({ length: count }, (_, index) => deliveryOf({ id: `m-${index}` }, attempt));
}

/** Takes all that is left. */
function* taken(backlog: DeliveryBacklog, bytes: number) {
  for (let next = backlog.take(bytes); next !== undefined; next = backlog.take(bytes)) yield next;
}

it("gives all in order, in parts, and those of several calls apart", () => {
  const [first, second, third, fourth] = some(4) as [Delivery, Delivery, Delivery, Delivery];
  const { backlog } = backlogOf([first, second, third, fourth]);
  backlog.add({ queue: QUEUE, deliveries: [first, second, third], again: true });
  backlog.add({ queue: QUEUE, deliveries: [fourth], again: false });
  expect([...taken(backlog, 2 * SIZE)]).toEqual([
    { queue: QUEUE, deliveries: [first, second], again: true },
    { queue: QUEUE, deliveries: [third], again: true },
    { queue: QUEUE, deliveries: [fourth], again: false },
  ]);
});

it("gives one however large it is", () => {
  const deliveries = some(2);
  const { backlog } = backlogOf(deliveries);
  backlog.add({ queue: QUEUE, deliveries, again: false });
  expect([...taken(backlog, 1)].map((each) => each.deliveries.length)).toEqual([1, 1]);
});

it("passes over what is over meanwhile, and what is out under another attempt", () => {
  const [first, second, third] = some(3) as [Delivery, Delivery, Delivery];
  const { out, backlog } = backlogOf([first, second, third]);
  backlog.add({ queue: QUEUE, deliveries: [first, second, third], again: false });
  out.forget(first);
  out.take(deliveryOf({ id: second.message.id }, 2));
  expect([...taken(backlog, Infinity)]).toEqual([{ queue: QUEUE, deliveries: [third], again: false }]);
});

it("does not grow with a client that reads nothing, and is given the same again and again", () => {
  const { out, backlog } = backlogOf([]);
  for (let attempt = 1; attempt <= 1_000; attempt++) {
    const deliveries = some(10, attempt);
    for (const delivery of deliveries) out.take(delivery);
    backlog.add({ queue: QUEUE, deliveries, again: false });
  }
  const { line } = backlog as unknown as { line: readonly unknown[] };
  expect(line.length).toBeLessThan(200);
  expect([...taken(backlog, Infinity)]).toMatchObject([{ deliveries: some(10, 1_000) }]);
});

it("tells whether deliveries fit", () => {
  expect(fitIn(2 * SIZE, some(2))).toBe(true);
  expect(fitIn(2 * SIZE - 1, some(2))).toBe(false);
  expect(fitIn(0, [])).toBe(true);
});
