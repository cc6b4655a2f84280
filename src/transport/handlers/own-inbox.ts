import { inboxOf } from "../../protocol/names";
import type { Caller } from "./handler";

/** A request that names no queue means its client's inbox. */
export function queueOrOwnInbox(caller: Caller, queue: string | undefined): string {
  return queue ?? inboxOf(caller.session.identity.clientId);
}
