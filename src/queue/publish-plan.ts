import { toWireError, type WaybillError, type WireError } from "../protocol/errors";
import type { PublishResult } from "../protocol/wire";
import { sizeOf, type NewMessage } from "./message";
import type { AppendResult } from "./store";

/** What becomes of messages that go to the store together: each is to be stored, with the copies that routes ask for, or refused. */
export class PublishPlan {
  /** Each message with its copies behind it. */
  readonly append: NewMessage[] = [];
  /** Of these, as `sizeOf` counts. */
  bytes = 0;
  private readonly ids: string[] = [];
  /** Where in the list to append those of each message end: they begin where those before it end. */
  private readonly ends: number[] = [];
  /** Where there are any, by place. */
  private refused: Map<number, WireError> | undefined;

  /** @param copies of it, for the store as well. */
  add(message: NewMessage, copies: Iterable<NewMessage>): void {
    this.push(message);
    for (const copy of copies) this.push(copy);
    this.end(message.id);
  }

  refuse(id: string, error: WaybillError): void {
    (this.refused ??= new Map()).set(this.ids.length, error.toWire());
    this.end(id);
  }

  /** Refuses the message that was added last. */
  refuseLast(error: WaybillError): void {
    const id = this.ids.pop() ?? "";
    this.ends.pop();
    const from = this.ends[this.ends.length - 1] ?? 0;
    for (const message of this.append.splice(from)) this.bytes -= sizeOf(message);
    this.refuse(id, error);
  }

  /** @param appended what became of the list to append. @returns what became of the messages, in order. */
  results(appended: readonly AppendResult[]): PublishResult[] {
    return this.ids.map((id, place) => {
      const error = this.refused?.get(place);
      return error ? { id, error } : resultOf(id, this.ends[place - 1] ?? 0, this.ends[place] ?? 0, appended);
    });
  }

  private push(message: NewMessage): void {
    this.append.push(message);
    this.bytes += sizeOf(message);
  }

  private end(id: string): void {
    this.ids.push(id);
    this.ends.push(this.append.length);
  }
}

/** A message is stored when it and all its routed copies are: after a failure, sending it again completes it. */
function resultOf(id: string, first: number, end: number, appended: readonly AppendResult[]): PublishResult {
  for (let index = first; index < end; index++) {
    const result = appended[index];
    if (result === undefined || "error" in result) return { id, error: toWireError(result?.error) };
  }
  const own = appended[first];
  if (own === undefined || "error" in own) return { id, error: toWireError(own?.error) };
  return { id, seq: own.seq, status: own.status };
}
