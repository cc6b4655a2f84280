import { WaybillError } from "../../protocol/errors";
import type { Clock, Timer } from "../../queue/clock";
import { isAppend, NO_SPACE, type Answer, type Call, type CallKind, type Calls } from "./calls";
import { DamagedError } from "./damage";
import type { Gatherer, Gatherers } from "./gatherers";
import { Replies } from "./replies";
import type { StorageWorker } from "./storage-thread";

/** A call that the worker has not answered yet. */
interface Pending {
  readonly kind: CallKind;
  readonly carried: Pick<Gatherer, "copies">;
  readonly resolve: (result: never) => void;
  readonly reject: (error: WaybillError) => void;
}

/** The last call in line, as long as it can take more. */
type Gathering = {
  [Kind in keyof Gatherers]: {
    readonly kind: Kind;
    readonly into: Gatherers[Kind];
    /** Of the call that takes all of it. */
    readonly answer: Promise<Calls[Kind][1]>;
  };
}[keyof Gatherers];

/**
 * Calls on their way to the storage thread, and their answers on the way back. Calls of one turn of the event loop go
 * together, and what the thread finds waiting it commits together: one fsync for all, more of them the busier it gets.
 */
export class CallLine {
  private readonly pending: Pending[] = [];
  private readonly replies: Replies;
  private outbox: (() => Call)[] = [];
  private hasAppend = false;
  /** The last call in the outbox, if it can take more of its kind. */
  private gathering: Gathering | undefined;
  private broken: WaybillError | undefined;
  private posting = false;
  /** Waits with nothing but changes in the outbox, for an append to take them along. */
  private riding: Timer | undefined;
  private appendedAt = -Infinity;

  /**
   * @param onBroken called once when the worker is lost, after which every call is refused.
   * @param onEnded called when the worker is gone.
   */
  constructor(
    private readonly worker: StorageWorker,
    private readonly clock: Clock,
    private readonly onBroken: (error: Error) => void,
    onEnded: () => void,
  ) {
    this.replies = new Replies(clock);
    worker.attach({
      answered: (answer) => this.answered(answer),
      broke: (error) => this.lose(error),
      ended: () => {
        this.fail("the storage worker ended");
        onEnded();
      },
    });
  }

  /** Whether every call is refused. */
  get isBroken(): boolean {
    return this.broken !== undefined;
  }

  /** What comes one after the other and is of one kind travels, and is carried out, as one call. */
  gather<Kind extends keyof Gatherers>(
    kind: Kind,
    make: () => Gatherers[Kind],
  ): Extract<Gathering, { readonly kind: Kind }> {
    if (this.gathering?.kind !== kind) {
      const into = make();
      // What it carries is known when it is posted.
      const answer = this.send(kind, () => into.makeCall(), into);
      this.gathering = { kind, into, answer } as Gathering;
    }
    return this.gathering as Extract<Gathering, { readonly kind: Kind }>;
  }

  call<Kind extends CallKind>(kind: Kind, argument: Calls[Kind][0]): Promise<Calls[Kind][1]> {
    this.gathering = undefined;
    return this.send(kind, () => ({ kind, argument }) as Call, NO_COPIES);
  }

  /** @param makeCall asked when the call is posted. */
  private send<Kind extends CallKind>(
    kind: Kind,
    makeCall: () => Call,
    carried: Pick<Gatherer, "copies">,
  ): Promise<Calls[Kind][1]> {
    if (this.broken) return Promise.reject(this.broken);
    return new Promise((resolve, reject) => {
      this.pending.push({ kind, carried, resolve, reject });
      this.outbox.push(makeCall);
      if (isAppend({ kind })) this.hasAppend = true;
      this.postSoon(kind);
    });
  }

  private postSoon(kind: CallKind): void {
    if (this.posting) return;
    if (kind === "change" && this.clock.steady() - this.appendedAt < RIDE_MS) {
      this.riding ??= this.clock.setTimer(this.post, RIDE_MS);
      return;
    }
    this.posting = true;
    this.clock.soon(this.post);
  }

  private readonly post = (): void => {
    this.riding?.cancel();
    this.riding = undefined;
    this.posting = false;
    const calls = this.outbox.map((make) => make());
    this.outbox = [];
    this.gathering = undefined;
    if (this.hasAppend) this.appendedAt = this.clock.steady();
    this.hasAppend = false;
    if (!this.broken && calls.length > 0) this.worker.post(calls);
  };

  private answered(answer: Answer): void {
    if ("opened" in answer) return;
    if (this.broken) return;
    if ("damaged" in answer) return this.lose(new DamagedError(answer.damaged));
    if ("lost" in answer) return this.lose(new Error(answer.lost));
    if ("failed" in answer) {
      const error = new WaybillError("STORE_UNAVAILABLE", `The store did not take the write: ${answer.failed}.`);
      for (const call of this.pending.splice(0, answer.count)) {
        const refusal = answer.isFull && isAppend(call) ? new WaybillError("DISK_FULL", DISK_FULL) : error;
        this.replies.add({ copies: call.carried.copies, tell: () => call.reject(refusal) });
      }
    } else {
      const done = this.pending.splice(0, answer.results.length);
      for (const [index, { carried, resolve, reject }] of done.entries()) {
        const result = answer.results[index];
        const tell = (): void =>
          result === NO_SPACE ? reject(new WaybillError("DISK_FULL", DISK_FULL)) : resolve(result as never);
        this.replies.add({ copies: carried.copies, tell });
      }
    }
    this.replies.handOut();
  }

  private lose(error: Error): void {
    if (this.broken) return;
    this.fail(error.message);
    this.onBroken(error);
  }

  private fail(reason: string): void {
    if (this.broken) return;
    this.broken = new WaybillError("STORE_UNAVAILABLE", `The store is gone: ${reason}.`);
    for (const { reject } of this.pending.splice(0)) reject(this.broken);
  }
}

/**
 * While appends keep coming, changes wait this many milliseconds for one to share its commit: an fsync for the acks
 * alone would delay the publishes behind it.
 */
const RIDE_MS = 2;
const NO_COPIES = { copies: 0 };
const DISK_FULL = "The disk is full: the publish was not stored.";
