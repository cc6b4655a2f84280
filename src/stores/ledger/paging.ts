import type { StoredMessage } from "./journal";
import type { Lane } from "./lane";
import type { Ledger } from "./ledger";
import type { QueueState } from "./queue-state";
import { seqOf, type WaitingList } from "./waiting-list";

/** Messages read from the disk at once; the next are fetched when half as many are left. */
const PAGE = 1_024;
const PAGE_BYTES = 2 ** 20;
/** Of lanes that are not next in turn: enough to know how old their first message is, and to give some of them out. */
const GLANCE = 64;

/** Messages that are being read, of all queues, past which others wait: what is published meanwhile is to wait for these only. */
const READ_AT_ONCE = 4_096;

/** Brings what waits on disk into memory, shortly before its turn comes. */
export class Paging {
  /** Messages that are being read. */
  private reading = 0;
  /** Bytes that these may take. */
  private readingBytes = 0;
  /** Queues to read for once less is being read. */
  private readonly held = new Set<QueueState>();

  /** @param readIn called for a queue when something of it was read. */
  constructor(
    private readonly ledger: Ledger,
    private readonly readIn: (queue: QueueState) => void,
  ) {}

  /** Reads what the queue will need next. Returns at once; a hint follows. */
  pageIn(queue: QueueState): void {
    if (!queue.hasUnread) return;
    for (const group of queue.groupsOnDisk()) {
      if (this.putOff(queue)) return;
      const wanted = group.wanted();
      if (wanted.length > 0) {
        this.read(queue, group.waiting, wanted, (read, messages) => queue.groupFetched(group, read, messages));
      }
    }
    let isFirst = true;
    for (const lane of queue.lanesInOrder) {
      if (lane.readyCount === 0) continue;
      if (this.putOff(queue)) return;
      if (isFirst || lane.list.length === 0) this.pageLane(queue, lane, isFirst ? PAGE : GLANCE);
      isFirst = false;
    }
  }

  /** After many messages became ready at once: leaves what is far from its turn on disk. */
  shorten(queue: QueueState): void {
    queue.shorten(this.ledger.settings.laneWindow);
  }

  private pageLane(queue: QueueState, lane: Lane, count: number): void {
    const { list } = lane;
    if (list.onDisk > 0) {
      const wanted = list.wanted(count);
      if (wanted.length > 0) this.read(queue, list, wanted, (read, messages) => void list.fetched(read, messages));
      return;
    }
    if (lane.onDisk === 0 || lane.isBusy || !list.isShortOf(count)) return;
    lane.isBusy = true;
    const limit = Math.min(count, lane.onDisk);
    const bytes = this.pageBytes(list);
    const page = this.ledger.journal.page(queue.no, lane.priority, lane.pageAfter, limit, bytes);
    const end = (messages: readonly StoredMessage[] | undefined): void => {
      if (messages === undefined) lane.isBusy = false;
      else lane.endPage(messages);
    };
    this.follow(queue, page, { messages: limit, bytes }, end);
  }

  /** @param end takes in what was read; undefined: it failed, and the dispatcher's poll asks again. */
  private follow<Result>(
    queue: QueueState,
    reading: Promise<Result>,
    { messages, bytes }: { readonly messages: number; readonly bytes: number },
    end: (result: Result | undefined) => void,
  ): void {
    this.reading += messages;
    this.readingBytes += bytes;
    const settle = (result?: Result): void => {
      this.reading -= messages;
      this.readingBytes -= bytes;
      end(result);
      // Before this queue is hinted at, and has more read in the place of those that wait for it.
      this.goOn();
      if (result !== undefined) this.arrived(queue);
    };
    reading.then(settle, () => settle());
  }

  /** Leaves a queue to its turn later, where enough is being read already. @returns whether it does. */
  private putOff(queue: QueueState): boolean {
    if (this.reading < READ_AT_ONCE) return false;
    this.held.add(queue);
    return true;
  }

  /** Reads for the queues that had to wait, those that came first. */
  private goOn(): void {
    for (const queue of this.held) {
      if (this.reading >= READ_AT_ONCE) return;
      this.held.delete(queue);
      this.pageIn(queue);
    }
  }

  private arrived(queue: QueueState): void {
    this.readIn(queue);
    this.ledger.hint(queue.address);
  }

  private pageBytes({ leastBytes }: WaitingList): number {
    return Math.min(PAGE_BYTES, Math.max(this.ledger.budget.left - this.readingBytes, leastBytes));
  }

  /** @param takeIn told which of the wanted were looked for, and what was found of them. */
  private read(
    queue: QueueState,
    list: WaitingList,
    wanted: readonly number[],
    takeIn: (read: readonly number[], messages: readonly StoredMessage[]) => void,
  ): void {
    list.isBusy = true;
    const bytes = this.pageBytes(list);
    const found = this.ledger.journal.fetch(wanted.map(seqOf), bytes);
    this.follow(queue, found, { messages: wanted.length, bytes }, (result) => {
      list.isBusy = false;
      if (result !== undefined) takeIn(wanted.slice(0, result.read), result.messages);
    });
  }
}
