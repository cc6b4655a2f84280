import { WaybillError } from "../protocol/errors";
import type { PublishMessage } from "../protocol/wire";
import type { Clock } from "../queue/clock";
import type { DialectLine } from "../queue/dialect";
import type { Consumption } from "./consumption";

/** What the requests of one connection share. */
export interface CapsConnection {
  readonly line: DialectLine;
  readonly consumption: Consumption;
  readonly clock: Clock;
}

/** One request: from its unread argument to the body of the reply. Throws `WaybillError` to refuse. */
export type CapsRequest = (connection: CapsConnection, argument: unknown) => Promise<object>;

/** Writes an event that the hub took into its log, in the form that the exercise asks for. */
export function logEvent({ line, clock }: CapsConnection, event: string, payload: object): void {
  line.log({ event, time: new Date(clock.now()).toISOString(), payload }, "EVENT");
}

/** Stores one message, or throws why it was not. */
export async function store(
  { line: { broker, session } }: CapsConnection,
  message: PublishMessage,
): Promise<{ status: "stored" | "duplicate" }> {
  const result = await broker.publishAlone(session, message);
  if ("error" in result) throw WaybillError.fromWire(result.error);
  return { status: result.status };
}
