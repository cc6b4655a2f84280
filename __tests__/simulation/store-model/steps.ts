import { isRoomAddress, type NewMessage } from "../../../src/queue/message";
import type { SettleRequest, Settlement } from "../../../src/queue/store";
import { check, pick } from "./check";
import type { AppendCommand, LeaseCommand, SettleCommand, StepCommand } from "./commands";
import type { KnownMessage } from "./known-message";
import type { KnownQueue } from "./known-queue";
import { ADDRESSES, ROOM, type Scene } from "./scene";

const LEASE_MS = 30_000;

/** What a hub does to its store all day, done to the store and the model. */
export class Steps {
  /** The seq under which each id of each target was stored. */
  private readonly stored = new Map<string, number>();
  private lastSeq = 0;

  constructor(private readonly scene: Scene) {}

  step(command: StepCommand): Promise<void> {
    switch (command.kind) {
      case "append":
        return this.append(command);
      case "lease":
        return this.lease(command);
      case "settle":
        return this.settle(command);
      case "tick":
        return this.tick(command.ms);
      case "join":
        return this.join(this.scene.inbox(command.inbox), command.replay);
      case "leave":
        return this.leave(this.scene.inbox(command.inbox));
    }
  }

  private async append(command: AppendCommand): Promise<void> {
    const batch = this.batchOf(command);
    const target = ADDRESSES[command.target] ?? ROOM;
    const { members } = this.scene.room;
    const inboxes = isRoomAddress(target) ? members : [this.scene.queue(target)];
    const before = inboxes.map((inbox) => inbox.occupancy(this.scene.clock.time));
    const results = await this.scene.store.append(batch);
    // One that is told to be a duplicate has been given room, unless there was none.
    const planned = { least: 0, most: 0 };
    const isDelayed = command.delayMs !== undefined;
    for (const [index, message] of batch.entries()) {
      const result = results[index];
      if (result === undefined) throw new Error("a message has no result");
      if ("error" in result) {
        if (result.error.code !== "QUEUE_FULL") throw result.error;
        // On a failing disk nobody can tell what was stored before.
        if (this.scene.together || this.scene.failing) continue;
        check(!this.stored.has(`${target}/${message.id}`), `${message.id} was refused, and is stored`);
        check(
          inboxes.some((inbox, at) =>
            holds(() => inbox.checkRefused(message.id, pick(before, at), planned.most, isDelayed)),
          ),
          `${message.id} was refused, and has room everywhere`,
        );
        continue;
      }
      const isDuplicate = this.isDuplicate(target, message, result);
      if (!this.scene.together && !isDuplicate) {
        inboxes.forEach((inbox, at) => inbox.checkTaken(message.id, pick(before, at), planned.least, isDelayed));
      }
      const hadRoom = inboxes.every((inbox, at) => inbox.hasRoomFor(pick(before, at), planned.most));
      if (hadRoom || !isDuplicate) planned.least++;
      planned.most++;
      if (isDuplicate) continue;
      if (isRoomAddress(target)) this.scene.room.send(result.seq, message, members);
      for (const inbox of inboxes) inbox.add(message, isRoomAddress(target) ? undefined : result.seq);
    }
    if (!this.scene.together) await this.learnDropped(inboxes);
  }

  private batchOf({ count, again, target, priority, group, event, ...times }: AppendCommand): NewMessage[] {
    const now = this.scene.clock.time;
    return Array.from({ length: count }, (): NewMessage => {
      const dueAt = times.delayMs === undefined ? undefined : now + times.delayMs;
      const id = again && this.scene.ids > 0 ? `m${this.scene.ids - 1}` : `m${this.scene.ids++}`;
      return {
        target: ADDRESSES[target] ?? ROOM,
        id,
        event: `e${event}`,
        payload: JSON.stringify("x".repeat(this.scene.ids % 300)),
        priority: group === undefined ? priority : 4,
        group: group === undefined ? undefined : `g${group}`,
        headers: undefined,
        publisher: "p",
        publishedAt: now,
        dueAt,
        isDueFixed: dueAt !== undefined && times.isFixed,
        expiresAt: times.ttlMs === undefined ? undefined : (dueAt ?? now) + times.ttlMs,
      };
    });
  }

  private isDuplicate(
    target: string,
    { id }: NewMessage,
    { status, seq }: { readonly status: "stored" | "duplicate"; readonly seq: number },
  ): boolean {
    const key = `${target}/${id}`;
    const first = this.stored.get(key);
    if (status === "duplicate") {
      check(first === undefined || first === seq, `${id} was stored as ${first}, not ${seq}`);
      check(first !== undefined || this.scene.together, `${id} is no duplicate`);
      return true;
    }
    check(first === undefined, `${id} was stored twice`);
    check(this.scene.together || seq > this.lastSeq, `${id} has seq ${seq} after ${this.lastSeq}`);
    this.lastSeq = Math.max(this.lastSeq, seq);
    this.stored.set(key, seq);
    return false;
  }

  /** After a publish: queues that drop their oldest may have done so. */
  private async learnDropped(inboxes: readonly KnownQueue[]): Promise<void> {
    for (const inbox of inboxes) {
      if (inbox.rules.overflow === "drop-oldest") await this.scene.rest();
      if (inbox.rules.overflow === "drop-oldest") await this.scene.learnDeadOf(inbox, true);
    }
  }

  async lease({ queue, holders, limit }: LeaseCommand): Promise<void> {
    const requests = Array.from({ length: holders }, (_, index) => ({
      holder: `h${index}`,
      client: "c",
      limit,
      limitBytes: 1e9,
    }));
    const known = this.scene.queue(pick(ADDRESSES, queue));
    const course = this.scene.course;
    const dealt = await this.scene.store.lease(known.address, requests, course.now, LEASE_MS);
    check(dealt.length <= holders * limit, `${dealt.length} were dealt out`);
    for (const delivery of dealt) known.give(delivery, course);
  }

  private async settle({ pick: first, count, action, wrong }: SettleCommand): Promise<void> {
    const out = this.scene.all.filter(({ state }) => state === "leased");
    const picked = Array.from({ length: Math.min(count, out.length) }, (_, index) => pick(out, first + index));
    await this.settleAll(picked, this.settlementOf(action), wrong);
  }

  async settleAll(
    picked: readonly KnownMessage[],
    settlement: Settlement,
    wrong: "attempt" | "holder" | undefined = undefined,
  ): Promise<void> {
    const requests = picked.map(({ queue, id, attempt, holder }): SettleRequest => ({
      queue,
      id,
      attempt: wrong === "attempt" ? attempt + 1 : attempt,
      holder: wrong === "holder" ? "nobody" : holder,
      settlement,
    }));
    if (wrong === undefined) for (const known of picked) known.leaving++;
    const results = await this.scene.store.settle(requests).finally(() => {
      if (wrong === undefined) for (const known of picked) known.leaving--;
    });
    for (const [index, known] of picked.entries()) {
      const result = results[index];
      const attempt = requests[index]?.attempt ?? 0;
      if (wrong !== undefined) {
        const isOfAnother = result === "already" && settlement.action === "ack" && this.wasAcked(known, attempt);
        check(result === "lost" || isOfAnother, `${known.id} was settled by a stranger: ${result}`);
        continue;
      }
      check(result === "done" || this.scene.together, `${known.id}@${attempt} could not be settled: ${result}`);
      if (result === "done") this.scene.queue(known.queue).settle(known, settlement, attempt);
    }
  }

  /** Whether another message of its id was acked under this attempt: so that very delivery was. */
  private wasAcked({ queue, id }: KnownMessage, attempt: number): boolean {
    return this.scene.all.some(
      (other) => other.queue === queue && other.id === id && other.how === "acked" && other.attempt === attempt,
    );
  }

  private settlementOf(action: SettleCommand["action"]): Settlement {
    const now = this.scene.clock.time;
    switch (action) {
      case "ack":
        return { action };
      case "dead":
        return { action, reason: "refused", error: "poison" };
      case "extend":
        return { action, deadline: now + LEASE_MS };
      case "retry":
        return { action: "retry", dueAt: undefined, error: "failed" };
      case "delay":
        return { action: "retry", dueAt: now + 2_000, error: "failed" };
    }
  }

  async tick(ms: number): Promise<void> {
    this.scene.clock.time += ms;
    const now = this.scene.clock.time;
    const lapsed = await this.scene.store.expire(now);
    for (const queue of this.scene.queues) queue.makeDueReady(now);
    const reported = new Set(lapsed.map(({ message: { queue, seq } }) => `${queue}/${seq}`));
    const isReported = ({ queue, seq }: KnownMessage): boolean => reported.has(`${queue}/${seq}`);
    const over = this.scene.all.filter(
      ({ state, leaving, deadline }) => state === "leased" && leaving === 0 && deadline <= now,
    );
    for (const known of over) {
      check(this.scene.together || isReported(known), `the lease of ${known.id} has no end`);
    }
    const found = over.filter(isReported);
    check(this.scene.together || found.length === lapsed.length, "a lease was ended early");
    await this.settleAll(found, this.settlementOf("delay"));
  }

  private async join(inbox: KnownQueue, replay: boolean): Promise<void> {
    const { owed, end } = this.scene.room.beginJoin(inbox);
    const now = this.scene.clock.time;
    const before = inbox.occupancy(now);
    try {
      const { replayed } = await this.scene.store.join(ROOM, inbox.address, replay ? "all" : undefined, "client");
      check(replayed === (replay ? owed.length : 0), `${replayed} were replayed, not ${owed.length}`);
    } catch (error) {
      end("refused");
      if ((error as { code?: string }).code !== "QUEUE_FULL") throw error;
      return inbox.checkRefused("history", before, 0, false);
    }
    end(replay);
    if (!replay) return;
    for (const { message } of owed) {
      const isDue = message.dueAt === undefined || message.dueAt <= now;
      inbox.add(isDue ? { ...message, dueAt: undefined } : message, undefined);
    }
  }

  private async leave(inbox: KnownQueue): Promise<void> {
    this.scene.room.leave(inbox);
    await this.scene.store.leave(ROOM, inbox.address);
  }
}

/** Whether a check of a refusal holds. */
function holds(checkRefusal: () => void): boolean {
  try {
    checkRefusal();
    return true;
  } catch {
    return false;
  }
}
