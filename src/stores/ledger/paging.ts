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

/** Brings what waits on disk into memory, shortly before its turn comes. */
export class Paging {
  /** @param readIn called for a queue when something of it was read. */
  constructor(
    private readonly ledger: Ledger,
    private readonly readIn: (queue: QueueState) => void,
  ) {}

  /** Reads what the queue will need next. Returns at once; a hint follows. */
  pageIn(queue: QueueState): void {
    if (!queue.hasUnread) return;
    for (const group of queue.groupsOnDisk()) {
      const wanted = group.wanted();
      if (wanted.length > 0) {
        this.read(queue, group.waiting, wanted, (read, messages) => queue.groupFetched(group, read, messages));
      }
    }
    let isFirst = true;
    for (const lane of queue.lanesInOrder()) {
      if (lane.readyCount === 0) continue;
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
    this.ledger.journal.page(queue.no, lane.priority, lane.pageAfter, count, this.pageBytes(list)).then(
      (page) => {
        lane.endPage(page);
        this.arrived(queue);
      },
      // The dispatcher's poll asks again.
      () => (lane.isBusy = false),
    );
  }

  private arrived(queue: QueueState): void {
    this.readIn(queue);
    this.ledger.hint(queue.address);
  }

  private pageBytes({ leastBytes }: WaitingList): number {
    return Math.min(PAGE_BYTES, Math.max(this.ledger.budget.left, leastBytes));
  }

  /** @param takeIn told which of the wanted were looked for, and what was found of them. */
  private read(
    queue: QueueState,
    list: WaitingList,
    wanted: readonly number[],
    takeIn: (read: readonly number[], messages: readonly StoredMessage[]) => void,
  ): void {
    list.isBusy = true;
    this.ledger.journal.fetch(wanted.map(seqOf), this.pageBytes(list)).then(
      ({ messages, read }) => {
        list.isBusy = false;
        takeIn(wanted.slice(0, read), messages);
        this.arrived(queue);
      },
      () => (list.isBusy = false),
    );
  }
}
