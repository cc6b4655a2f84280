import type { DeliveredMessage, DeliveryRef, SettleOutcome } from "../../../src/protocol/wire";
import type { Answer, QueueAtEnd } from "../history";
import type { Ask, ConnectionSeen, Life } from "./seen";

/** Holds one promise: sees everything that happens, each time before the book has noted it. */
export interface Rule {
  asked?(ask: Ask): void;
  answered?(ask: Ask, answer: Answer): void;
  sending?(life: Life, message: DeliveredMessage, connection: ConnectionSeen): void;
  settled?(ask: Ask, queue: string, ref: DeliveryRef, outcome: SettleOutcome): void;
  revoking?(queue: string, ref: DeliveryRef, connection: ConnectionSeen, reason: string): void;
  closed?(connection: number): void;
  over?(queues: readonly QueueAtEnd[]): void;
}
