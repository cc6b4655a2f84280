import { queueAddress, roomAddress, type QueueAddress, type RoomAddress } from "../../../src/queue/message";
import { RuleBook } from "../../../src/queue/queue-rules";
import type { Store } from "../../../src/queue/store";
import type { StoreSettings } from "../../../src/stores/open-store";
import type { SetClock } from "../../conformance/store-in-suite";
import { rulesWith } from "../../support/rules";
import { pick } from "./check";
import type { KnownMessage } from "./known-message";
import { KnownQueue, type Course } from "./known-queue";
import { KnownRoom } from "./known-room";

export const ROOM: RoomAddress = roomAddress("/", "north");
export const ADDRESSES = ["driver", "pack", "@ada", "@bob"].map((name) => queueAddress("/", name));

/** Each queue goes by its own rules. */
const RULES = new RuleBook(rulesWith({ maxMessages: 80 }).of(queueAddress("/", "any")), [
  { match: "/:driver", maxMessages: 320 },
  { match: "/:pack", maxMessages: 20, overflow: "drop-oldest" },
  { match: "/:@ada", deadLetterExpired: true },
  { match: "/:@bob", maxDeadLetters: 3 },
]);

export const MODEL_SETTINGS: StoreSettings = {
  rules: RULES,
  maxQueues: 50,
  maxQueuesPerClient: 50,
  maxEndings: 1_000_000,
  dedupWindowMs: 1e12,
  dedupMaxIds: 1_000_000,
  historyMessages: 10,
  historyMs: 1e12,
  residentBytes: 12_000,
  laneWindow: 4,
};

/** A store, and what the model knows to be in it. */
export class Scene {
  readonly queues = ADDRESSES.map((address) => new KnownQueue(address, RULES.of(address)));
  readonly room = new KnownRoom(MODEL_SETTINGS.historyMessages);
  /** Whether commands are under way of which nobody can say which came first. */
  together = false;
  /** Whether the disk takes no writes. */
  failing = false;
  /** Ids that were used: `m0` and so on. */
  ids = 0;

  constructor(
    public store: Store,
    readonly clock: SetClock,
  ) {}

  get course(): Course {
    return { together: this.together, now: this.clock.time };
  }

  get all(): readonly KnownMessage[] {
    return this.queues.flatMap((queue) => queue.all);
  }

  queue(address: QueueAddress): KnownQueue {
    const queue = this.queues.find((each) => each.address === address);
    if (queue === undefined) throw new Error(`${address} is not in the model`);
    return queue;
  }

  /** One of those that may be in the room. */
  inbox(index: number): KnownQueue {
    return pick(this.queues.slice(2), index);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits until nothing is under way, also of what the store does by itself. */
  async rest(): Promise<void> {
    for (let before = NaN; ;) {
      for (let turn = 0; turn < 5; turn++) {
        await this.store.probe();
        await this.turn();
      }
      // What has to go may have to be read first, a page after the other.
      const dead = await this.deadOfOverfull();
      if (dead === undefined || dead === before) return;
      before = dead;
    }
  }

  /** Dead letters of the queues that hold more than they may; undefined: there is none. */
  private async deadOfOverfull(): Promise<number | undefined> {
    let count: number | undefined;
    for (const { address, rules } of this.queues) {
      if (rules.overflow !== "drop-oldest") continue;
      const { ready, delayed, leased, dead, purged } = await this.store.stats(address);
      if (ready + delayed + leased > rules.maxMessages) count = (count ?? 0) + dead + purged;
    }
    return count;
  }

  /** Learns which messages the store has made dead letters of by itself. */
  async learnDead(): Promise<void> {
    for (const queue of this.queues) await this.learnDeadOf(queue, false);
  }

  /** The same of one queue; `isExact`: nothing but one publish to it has happened since the last time. */
  async learnDeadOf(queue: KnownQueue, isExact: boolean): Promise<void> {
    queue.learnDead(await this.store.deadLetters(queue.address, {}, 1e6, 0), this.clock.time, isExact);
  }
}
