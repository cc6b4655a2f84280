import { WaybillError } from "../protocol/errors";
import { compilePatterns, inboxOf, isInbox } from "../protocol/names";

/**
 * What a client may do, as its token says. Lists hold names or patterns (`driver`, `@*`, `room:north-*`); a list left
 * out allows all of its kind. No grant opens another client's inbox.
 */
export interface Grants {
  /** Queues, inboxes (`@name`) and rooms (`room:name`) to publish to. */
  readonly publish?: readonly string[];
  /** Shared queues to consume. */
  readonly consume?: readonly string[];
  /** Rooms to join. */
  readonly join?: readonly string[];
  /** Rooms to put other clients in, and take them out of. Left out: none. */
  readonly invite?: readonly string[];
  /** Opens the operator's requests, and `invite` for every room. */
  readonly operator?: boolean;
}

/** Who a connection is, and what that allows it in its namespace. */
export interface Identity {
  readonly clientId: string;
  readonly operator: boolean;
  mayPublish(target: string): boolean;
  mayConsume(queue: string): boolean;
  mayJoin(room: string): boolean;
  mayInvite(room: string): boolean;
}

export function identityOf(clientId: string, grants: Grants): Identity {
  const inbox = inboxOf(clientId);
  const operator = grants.operator === true;
  const publish = grants.publish && compilePatterns(grants.publish);
  const consume = grants.consume && compilePatterns(grants.consume);
  const join = grants.join && compilePatterns(grants.join);
  const invite = compilePatterns(grants.invite ?? []);
  return {
    clientId,
    operator,
    mayPublish: publish ?? allow,
    mayConsume: (queue) => (isInbox(queue) ? queue === inbox : consume === undefined || consume(queue)),
    mayJoin: join ?? allow,
    mayInvite: (room) => operator || invite(room),
  };
}

/** @throws WaybillError `FORBIDDEN` when this is nobody who watches over the hub. */
export function requireOperator({ clientId, operator }: Identity): void {
  if (!operator) throw new WaybillError("FORBIDDEN", `${clientId} is not an operator.`);
}

function allow(): boolean {
  return true;
}
