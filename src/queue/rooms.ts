import { WaybillError } from "../protocol/errors";
import { inboxOf } from "../protocol/names";
import { queueAddress, roomAddress, type QueueAddress } from "./message";
import type { Session } from "./session";
import type { Membership, Since, Store } from "./store";

/** Who may be put in which room, and by whom. */
export class Rooms {
  constructor(private readonly store: Store) {}

  async join(
    session: Session,
    room: string,
    clientId: string | undefined,
    since: Since | undefined,
  ): Promise<Membership> {
    const inbox = this.memberInbox(session, room, clientId, "put another client in");
    if (inbox.own && !session.identity.mayJoin(room)) {
      throw new WaybillError("FORBIDDEN", `${session.identity.clientId} may not join the room "${room}".`);
    }
    return this.store.join(roomAddress(session.namespace, room), inbox.address, since, session.identity.clientId);
  }

  async leave(session: Session, room: string, clientId: string | undefined): Promise<Membership> {
    const inbox = this.memberInbox(session, room, clientId, "take another client out of");
    return this.store.leave(roomAddress(session.namespace, room), inbox.address);
  }

  private memberInbox(
    session: Session,
    room: string,
    clientId: string | undefined,
    deed: string,
  ): { address: QueueAddress; own: boolean } {
    const { identity, namespace } = session;
    const own = clientId === undefined || clientId === identity.clientId;
    if (!own && !identity.mayInvite(room)) {
      throw new WaybillError("FORBIDDEN", `${identity.clientId} may not ${deed} the room "${room}".`);
    }
    return { address: queueAddress(namespace, inboxOf(clientId ?? identity.clientId)), own };
  }
}
