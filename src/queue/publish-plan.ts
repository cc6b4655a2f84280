import { toWireError, type WaybillError, type WireError } from "../protocol/errors";
import type { PublishResult } from "../protocol/wire";
import { sizeOf, type NewMessage } from "./message";
import type { AppendResult } from "./store";

type Address = NewMessage["target"];

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

  /** @param copies where it goes as well. @returns its place. */
  add(message: NewMessage, copies: readonly Address[]): number {
    this.append.push(message);
    for (const target of copies) this.append.push({ ...message, target, origin: message.target });
    this.bytes += sizeOf(message) * (1 + copies.length);
    return this.end(message.id);
  }

  refuse(id: string, error: WaybillError): void {
    (this.refused ??= new Map()).set(this.end(id), error.toWire());
  }

  /** @param appended what became of the list to append. @returns what became of the messages, in order. */
  results(appended: readonly AppendResult[]): PublishResult[] {
    return this.ids.map((id, place) => {
      const error = this.refused?.get(place);
      return error ? { id, error } : resultOf(id, this.ends[place - 1] ?? 0, this.ends[place] ?? 0, appended);
    });
  }

  private end(id: string): number {
    this.ends.push(this.append.length);
    return this.ids.push(id) - 1;
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
