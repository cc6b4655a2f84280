import { randomUUID } from "node:crypto";
import type { Clock, Timer } from "./clock";
import type { Identity } from "./identity";
import type { Delivery, QueueAddress } from "./message";
import type { Receiver } from "./receiver";
import { Session } from "./session";

/** The sessions of a hub: those with a connection, and those whose client may still come back. */
export class Sessions {
  private readonly sessions = new Map<string, Session>();
  private readonly graces = new Map<Session, Timer>();

  /**
   * @param graceMs how long a session with deliveries waits for its client.
   * @param ended told when that was in vain.
   */
  constructor(
    private readonly clock: Clock,
    private readonly graceMs: number,
    private readonly ended: (session: Session) => void,
  ) {}

  /** Connected ones, and those in their grace. */
  get size(): number {
    return this.sessions.size;
  }

  get(id: string): Session | undefined {
    return this.sessions.get(id);
  }

  open(namespace: string, identity: Identity, receiver: Receiver): Session {
    const session = new Session(randomUUID(), namespace, identity, receiver);
    this.sessions.set(session.id, session);
    return session;
  }

  /** The session that a connection shows, if it is this client's: from now on it waits no more. */
  resume(shown: string, namespace: string, clientId: string): Session | undefined {
    const session = this.sessions.get(shown);
    if (session?.namespace !== namespace || session.identity.clientId !== clientId) return undefined;
    this.graces.get(session)?.cancel();
    this.graces.delete(session);
    return session;
  }

  /** A session whose connection is gone waits for its client, if it holds anything to wait for. */
  awaitClient(session: Session): void {
    if (session.heldCount === 0) {
      this.end(session);
      return;
    }
    this.graces.set(
      session,
      this.clock.setTimer(() => this.end(session), this.graceMs),
    );
  }

  clear(): void {
    for (const timer of this.graces.values()) timer.cancel();
    this.graces.clear();
    this.sessions.clear();
  }

  /** Deliveries that are out, in all sessions. */
  heldCount(): number {
    let count = 0;
    for (const session of this.sessions.values()) count += session.heldCount;
    return count;
  }

  /** Whether a connection has something in hand. */
  hasConnectedHolder(): boolean {
    for (const session of this.sessions.values()) if (session.attached && session.heldCount > 0) return true;
    return false;
  }

  /** The delivery that is out of this message. Looks through all that is out of its queue. */
  deliveryOf(queue: QueueAddress, seq: number): Delivery | undefined {
    for (const session of this.sessions.values()) {
      for (const delivery of session.held(queue).values()) if (delivery.message.seq === seq) return delivery;
    }
    return undefined;
  }

  private end(session: Session): void {
    this.graces.delete(session);
    this.sessions.delete(session.id);
    this.ended(session);
  }
}
