import { queueAddress } from "../../src/queue/message";
import type { StoredMessage } from "../../src/stores/ledger/journal";

/** A message as a ledger keeps it. */
export function storedMessage(seq: number, fields: Partial<StoredMessage> = {}): StoredMessage {
  return {
    seq,
    queueNo: 1,
    queue: queueAddress("/", "driver"),
    id: `m${seq}`,
    event: "pickup",
    payload: JSON.stringify({ seq }),
    priority: 4,
    group: undefined,
    headers: undefined,
    publisher: "acme",
    publishedAt: 1_800_000_000_000,
    expiresAt: undefined,
    room: undefined,
    body: 0,
    attempts: 0,
    failures: 0,
    lastError: undefined,
    ...fields,
  };
}
