import { reasonOf, WaybillError, type WireError } from "../../src/protocol/errors";
import { JsonText } from "../../src/protocol/json-text";
import { MessageIds } from "../../src/protocol/message-ids";
import type { Durability, Limits, PublishMessage, PublishReply } from "../../src/protocol/wire";
import { backoffDelay, RETRY_BACKOFF } from "./backoff";
import { ConnectionLost, type Connection } from "./connection";
import { Fifo } from "./fifo";
import { Holds } from "./holds";
import type { ClientSettings } from "./options";
import { writeOutgoing, type Outgoing } from "./outgoing";
import { exceedsPacket, PacketRoom } from "./packet-room";
import { afterTurn } from "./turn";
import { isFields, isRetryable, isWireError } from "./wire-guards";

/** Packets that may be out unanswered: enough that the hub's next commit is never without work. */
const MAX_PACKETS_IN_FLIGHT = 8;
/** Given up publishes after which the line is freed of them. */
const SWEEP_EVERY = 1_000;

export interface PublishConfirmation {
  id: string;
  /** Grows with each message of its queue or room, in the order of the hub's confirmations; it may have gaps, also large ones. */
  seq: number;
  /** `duplicate`: it was stored before under this id, with this `seq`. */
  status: "stored" | "duplicate";
  durability: Durability;
}

export interface PublishOptions {
  /**
   * Ends the waiting: the promise rejects with the signal's reason. What is not out yet is not sent any more; what is
   * out may be stored all the same.
   */
  signal?: AbortSignal;
}

interface Unconfirmed extends Outgoing {
  /** Place in the order of publishing. */
  readonly order: number;
  readonly resolve: (confirmation: PublishConfirmation) => void;
  readonly reject: (error: unknown) => void;
  refusals: number;
  /** Travels by itself, since a batch that it was in was refused as a whole. */
  alone: boolean;
  /** Its promise is settled; wherever it still stands in line, it is passed over. */
  settled: boolean;
  unlisten: (() => void) | undefined;
}

/**
 * Publishes that the hub has not confirmed. Everything that waits travels together, a few packets at a time. After a
 * cut all of it is sent again with the same ids, in the order of publishing, before anything newer.
 *
 * A retryable refusal holds back its target: what follows for the same target waits with it, in order, so that only
 * what was already out can overtake; other targets go on.
 */
export class Outbox {
  private readonly ids = new MessageIds();
  private readonly nextId = (): string => this.ids.next();
  private readonly waiting = new Fifo<Unconfirmed>();
  private readonly holds = new Holds<Unconfirmed>((released) => {
    this.putBack(released.sort(byOrder));
    this.flush();
  });
  private packetsInFlight = 0;
  private flushing = false;
  private published = 0;
  private unconfirmed = 0;
  private unconfirmedSize = 0;
  private aborted = 0;
  private sealedBy: WaybillError | undefined;
  private abandonedBy: WaybillError | undefined;
  private readonly emptied = new Set<() => void>();

  constructor(
    private readonly connection: Connection,
    private readonly settings: ClientSettings,
  ) {}

  publish(message: PublishMessage, options?: PublishOptions): Promise<PublishConfirmation> {
    return new Promise((resolve, reject) => {
      if (this.sealedBy) throw this.sealedBy;
      options?.signal?.throwIfAborted();
      const { id, target, json } = writeOutgoing(message, this.nextId);
      this.checkRoom(json.length);
      const entry: Unconfirmed = {
        id,
        target,
        json,
        order: this.published++,
        resolve,
        reject,
        refusals: 0,
        alone: false,
        settled: false,
        unlisten: undefined,
      };
      if (options?.signal) this.listenForAbort(entry, options.signal);
      this.unconfirmed++;
      this.unconfirmedSize += json.length;
      this.waiting.push(entry);
      this.flushSoon();
    });
  }

  /** Sends everything unconfirmed on the new connection. */
  resume(): void {
    const all = this.waiting.takeAll().concat(this.holds.takeAll());
    this.waiting.putBack(all.sort(byOrder));
    this.flush();
  }

  /** Resolves as soon as nothing is unconfirmed. */
  whenEmpty(): Promise<void> {
    if (this.unconfirmed === 0) return Promise.resolve();
    return new Promise((resolve) => this.emptied.add(resolve));
  }

  /** Takes no more publishes: from now on they reject with this error. What is unconfirmed goes on. */
  seal(error: WaybillError): void {
    this.sealedBy ??= error;
  }

  /** Rejects everything unconfirmed, for good. */
  abandon(error: WaybillError): void {
    this.seal(error);
    this.abandonedBy ??= error;
    for (const entry of this.waiting.takeAll().concat(this.holds.takeAll())) this.reject(entry, error);
  }

  private checkRoom(size: number): void {
    const { maxUnconfirmed, maxUnconfirmedBytes } = this.settings;
    if (this.unconfirmed >= maxUnconfirmed) {
      throw new WaybillError("QUEUE_FULL", `${maxUnconfirmed} publishes wait for their confirmation (maxUnconfirmed).`);
    }
    // One message by itself is let through whatever its size: the hub's limits are for the hub to say.
    if (this.unconfirmedSize > 0 && this.unconfirmedSize + size > maxUnconfirmedBytes) {
      throw new WaybillError("QUEUE_FULL", `Publishes of ${this.unconfirmedSize} bytes wait (maxUnconfirmedBytes).`);
    }
  }

  private listenForAbort(entry: Unconfirmed, signal: AbortSignal): void {
    const abort = (): void => {
      this.reject(entry, signal.reason);
      // Guard against a hub that is away while publishes come and are given up: they would pile up in the line.
      if (++this.aborted % SWEEP_EVERY === 0) this.waiting.putBack(this.waiting.takeAll().filter(isOpen));
    };
    signal.addEventListener("abort", abort, { once: true });
    entry.unlisten = () => signal.removeEventListener("abort", abort);
  }

  private flushSoon(): void {
    // A full batch goes at once: the hub stores it while this turn makes the next one.
    if (this.waiting.length >= this.settings.maxBatch && this.packetsInFlight < MAX_PACKETS_IN_FLIGHT) {
      this.flush();
      return;
    }
    if (this.flushing) return;
    this.flushing = true;
    afterTurn(this.flush);
  }

  private readonly flush = (): void => {
    this.flushing = false;
    const limits = this.connection.welcome?.limits;
    while (limits && this.connection.connected && this.packetsInFlight < MAX_PACKETS_IN_FLIGHT) {
      const batch = this.takeBatch(limits);
      if (batch.length === 0) return;
      void this.send(batch);
    }
  };

  /** The next messages in line that may travel together. */
  private takeBatch(limits: Limits): Unconfirmed[] {
    const maxBatch = Math.min(this.settings.maxBatch, limits.maxBatch);
    const room = new PacketRoom({ ...limits, maxBatch });
    const batch: Unconfirmed[] = [];
    for (let entry = this.waiting.peek(); entry !== undefined; entry = this.waiting.peek()) {
      if (this.passesOver(entry, limits)) {
        this.waiting.shift();
        continue;
      }
      const first = batch[0];
      if ((first && (first.alone || entry.alone)) || !room.take(entry.json.length)) break;
      this.waiting.shift();
      batch.push(entry);
    }
    return batch;
  }

  /** Whether there is nothing to send for this one: settled, put on hold, or refused here and now. */
  private passesOver(entry: Unconfirmed, limits: Limits): boolean {
    if (entry.settled || this.holds.join(entry)) return true;
    if (!exceedsPacket(entry.json, limits.maxPacketBytes)) return false;
    this.reject(entry, new WaybillError("TOO_LARGE", `"${entry.id}" is over maxPacketBytes of the hub.`));
    return true;
  }

  private async send(batch: Unconfirmed[]): Promise<void> {
    this.packetsInFlight++;
    let reply: PublishReply | undefined;
    try {
      reply = await this.connection.request("publish", new JsonText(`{"messages":[${batch.map(jsonOf).join(",")}]}`));
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        reply = { ok: false, error: new WaybillError("INVALID", reasonOf(error)).toWire() };
      }
    }
    this.packetsInFlight--;
    if (reply === undefined) this.putBack(batch);
    else if (!reply.ok) this.refuseBatch(batch, reply.error);
    else if ("seqs" in reply) this.confirmAll(batch, reply.seqs, reply.durability);
    else this.settle(batch, reply.results, reply.durability);
    this.flushSoon();
  }

  private confirmAll(batch: readonly Unconfirmed[], seqs: readonly number[], durability: Durability): void {
    for (let index = 0; index < batch.length; index++) {
      const entry = batch[index];
      const seq = seqs[index];
      if (entry === undefined) continue;
      if (typeof seq === "number") this.confirm(entry, { id: entry.id, seq, status: "stored", durability });
      else this.refuse(entry, NO_RESULT);
    }
  }

  private settle(batch: readonly Unconfirmed[], results: readonly unknown[], durability: Durability): void {
    for (let index = 0; index < batch.length; index++) {
      const entry = batch[index];
      const result = results[index];
      if (entry === undefined) continue;
      if (isFields(result) && typeof result.seq === "number") {
        const status = result.status === "duplicate" ? "duplicate" : "stored";
        this.confirm(entry, { id: entry.id, seq: result.seq, status, durability });
      } else {
        this.refuse(entry, isFields(result) && isWireError(result.error) ? result.error : NO_RESULT);
      }
    }
  }

  /** One bad message can spoil its batch: sent one by one, each gets a verdict of its own. */
  private refuseBatch(batch: Unconfirmed[], error: WireError): void {
    if (isRetryable(error) || batch.length === 1) {
      for (const entry of batch) this.refuse(entry, error);
      return;
    }
    for (const entry of batch) entry.alone = true;
    this.putBack(batch);
  }

  private refuse(entry: Unconfirmed, error: WireError): void {
    if (!isRetryable(error)) {
      this.reject(entry, WaybillError.fromWire(error));
      return;
    }
    this.holds.hold(entry, backoffDelay(++entry.refusals, RETRY_BACKOFF));
  }

  private putBack(entries: Unconfirmed[]): void {
    if (this.abandonedBy === undefined) this.waiting.putBack(entries);
    else for (const entry of entries) this.reject(entry, this.abandonedBy);
  }

  private confirm(entry: Unconfirmed, confirmation: PublishConfirmation): void {
    if (this.markSettled(entry)) entry.resolve(confirmation);
  }

  private reject(entry: Unconfirmed, error: unknown): void {
    if (this.markSettled(entry)) entry.reject(error);
  }

  private markSettled(entry: Unconfirmed): boolean {
    if (entry.settled) return false;
    entry.settled = true;
    entry.unlisten?.();
    this.unconfirmedSize -= entry.json.length;
    if (--this.unconfirmed === 0) {
      for (const resolve of this.emptied) resolve();
      this.emptied.clear();
    }
    return true;
  }
}

const NO_RESULT: WireError = new WaybillError("INTERNAL", "The hub's reply has no result for this message.").toWire();

function byOrder(a: Unconfirmed, b: Unconfirmed): number {
  return a.order - b.order;
}

function isOpen(entry: Unconfirmed): boolean {
  return !entry.settled;
}

function jsonOf({ json }: Unconfirmed): string {
  return json;
}
