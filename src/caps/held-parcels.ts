import type { DialectLine } from "../queue/dialect";
import { nameOf, type Delivery } from "../queue/message";
import type { Session } from "../queue/session";
import { peekOrder } from "./envelope";
import { isDerivedId } from "./message-id";

/** What a client answers: the message it names or, where that says nothing, the order. */
export interface Answer {
  readonly messageId: string | undefined;
  readonly orderId: string | undefined;
  readonly store?: string;
  /** Only messages of this event. */
  readonly event: string | undefined;
}

/**
 * What the connection holds and this answers, of any queue.
 *
 * A message id that the dialect made means that message alone: an answer that comes late or twice must not settle
 * another message of an order with the same id.
 */
export function findHeld(session: Session, answer: Answer): Delivery[] {
  const held = [...allHeld(session)];
  const named = held.filter(({ message }) => message.id === answer.messageId);
  if (named.length > 0) return named;
  if (answer.orderId === undefined || (answer.messageId !== undefined && isDerivedId(answer.messageId))) return [];
  return held.filter((delivery) => concernsOrder(delivery, answer));
}

/** The `in-transit` messages of a delivered order that its shop still holds: a shop may answer `delivered` only. */
export function findOvertaken(session: Session, delivered: readonly Delivery[]): Delivery[] {
  return delivered
    .filter(({ message }) => message.event === "delivered")
    .flatMap(({ message }) => {
      const { orderId } = peekOrder(JSON.parse(message.payload));
      if (orderId === undefined) return [];
      return session
        .held(message.queue)
        .values()
        .filter((delivery) => concernsOrder(delivery, { orderId, event: "in-transit" }));
    });
}

/**
 * Acks deliveries of any queues.
 *
 * @returns how many were acked by this; what was settled meanwhile counts as none.
 */
export async function ackAll({ broker, session }: DialectLine, deliveries: Iterable<Delivery>): Promise<number> {
  const queues = new Map<string, { id: string; attempt: number }[]>();
  for (const { message, attempt } of new Set(deliveries)) {
    const queue = nameOf(message.queue);
    const refs = queues.get(queue) ?? [];
    refs.push({ id: message.id, attempt });
    queues.set(queue, refs);
  }
  const settled = await Promise.all([...queues].map(([queue, refs]) => broker.ack(session, queue, refs)));
  return settled.flat().filter((outcome) => "status" in outcome && outcome.status === "acked").length;
}

function* allHeld(session: Session): Iterable<Delivery> {
  for (const [, deliveries] of session.allHeld()) yield* deliveries.values();
}

function concernsOrder({ message }: Delivery, sought: Pick<Answer, "orderId" | "store" | "event">): boolean {
  if (sought.event !== undefined && message.event !== sought.event) return false;
  const { store, orderId } = peekOrder(JSON.parse(message.payload));
  return orderId === sought.orderId && (sought.store === undefined || store === sought.store);
}
