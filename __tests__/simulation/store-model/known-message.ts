import {
  sizeOf,
  type DeadReason,
  type DeadSelection,
  type EndedHow,
  type NewMessage,
  type QueueAddress,
} from "../../../src/queue/message";

/** A message as the model knows it: what is said of it, and where it is. */
export interface KnownMessage {
  readonly queue: QueueAddress;
  readonly id: string;
  /** Undefined for a copy from a room that was not seen yet. */
  seq: number | undefined;
  readonly priority: number;
  readonly group: string | undefined;
  readonly event: string;
  readonly bytes: number;
  state: "ready" | "delayed" | "leased" | "dead" | "ended";
  expiresAt: number | undefined;
  dueAt: number | undefined;
  /** Whether `dueAt` is a time of day. */
  isDueFixed: boolean;
  /** Whether it has its place by its seq from the start. */
  inOrder: boolean;
  /** Whether its group waits for it while it is delayed. */
  holdsGroup: boolean;
  attempt: number;
  holder: string;
  deadline: number;
  failures: number;
  lastError: string | undefined;
  /** Settlements of it that are under way. */
  leaving: number;
  reason: DeadReason | undefined;
  diedAt: number;
  how: EndedHow | undefined;
}

export function knownMessage(queue: QueueAddress, message: NewMessage, seq: number | undefined): KnownMessage {
  const { id, priority, group, event, dueAt, expiresAt } = message;
  return {
    queue,
    id,
    seq,
    priority,
    group,
    event,
    bytes: sizeOf(message),
    state: dueAt === undefined ? "ready" : "delayed",
    expiresAt,
    dueAt,
    isDueFixed: dueAt !== undefined && message.isDueFixed,
    inOrder: dueAt === undefined && seq !== undefined,
    holdsGroup: false,
    attempt: 0,
    holder: "",
    deadline: 0,
    failures: 0,
    lastError: undefined,
    leaving: 0,
    reason: undefined,
    diedAt: 0,
    how: undefined,
  };
}

export function isExpired({ expiresAt }: KnownMessage, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now;
}

/** Whether a dead letter is one of those that a selection means, but for its limit. */
export function isSelected(known: KnownMessage, selection: DeadSelection): boolean {
  const { ids, event, group, reason, error, diedFrom, diedUntil } = selection;
  return (
    (ids?.includes(known.id) ?? true) &&
    (event ?? known.event) === known.event &&
    (group ?? known.group) === known.group &&
    (reason ?? known.reason) === known.reason &&
    (error === undefined || (known.lastError?.includes(error) ?? false)) &&
    (diedFrom ?? -Infinity) <= known.diedAt &&
    (diedUntil ?? Infinity) >= known.diedAt
  );
}
