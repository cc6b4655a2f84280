import type { DeadConditions, DeadReply } from "../../src/protocol/wire";
import type { Connection } from "./connection";
import { inPackets } from "./packet-room";

/** Which dead letters of a queue: those that meet every condition given, or all of them. Times are ISO times. */
export type DeadSelection = Omit<DeadConditions, "queue">;

/** One page of dead letters, and how many there are in the queue altogether. */
export type DeadLetterPage = Pick<Extract<DeadReply, { ok: true }>, "total" | "messages">;

/**
 * Dead letters, for an operator's identity; everybody else is refused, `FORBIDDEN`. Each request is sent until the hub
 * has answered it: one that is sent again after a cut counts what the first one has left. So none takes a number of
 * letters: for the first ten, list them and name their ids.
 */
export class DeadLetters {
  constructor(private readonly connection: Connection) {}

  /**
   * A page of dead letters, by `seq`.
   *
   * @param page.limit dead letters at the most; 100 where it is left out.
   * @param page.afterSeq those after this `seq`: the last one's of the page before.
   * @throws WaybillError when the hub refuses it for good.
   */
  list(
    queue: string,
    selection: DeadSelection = {},
    page: { limit?: number; afterSeq?: number } = {},
  ): Promise<DeadLetterPage> {
    return this.connection.ask("dead", { ...selection, ...page, queue });
  }

  /**
   * Puts dead letters back in their queue. Where `ids` are more than one request holds, several are sent, one after another,
   * but not with a rate, which each would have for itself.
   *
   * @param options.perSecond how many become ready each second; left out: all at once.
   * @returns how many.
   * @throws WaybillError when the hub refuses it for good.
   */
  async redrive(queue: string, selection: DeadSelection = {}, options: { perSecond?: number } = {}): Promise<number> {
    const parts = options.perSecond === undefined ? await this.inParts(selection) : [selection];
    let count = 0;
    for (const part of parts) {
      const { redriven } = await this.connection.ask("redrive", { ...part, ...options, queue });
      count += redriven;
    }
    return count;
  }

  /** Throws dead letters away, in several requests as `redrive`. @returns how many. @throws WaybillError when the hub refuses it for good. */
  async purge(queue: string, selection: DeadSelection = {}): Promise<number> {
    let count = 0;
    for (const part of await this.inParts(selection)) {
      const { purged } = await this.connection.ask("purge", { ...part, queue });
      count += purged;
    }
    return count;
  }

  /** The selection, in as many as its ids take to travel. One without ids means all that are dead, and stays one. */
  private async inParts(selection: DeadSelection): Promise<DeadSelection[]> {
    const { ids } = selection;
    if (!Array.isArray(ids) || ids.length === 0) return [selection];
    const { limits } = await this.connection.whenConnected();
    return inPackets(ids, limits, lengthOf).map((part) => ({ ...selection, ids: part }));
  }
}

/** Characters of an id in a request, with its quotes. */
function lengthOf(id: unknown): number {
  return String(id).length + 2;
}
