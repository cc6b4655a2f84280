/**
 * A store beside a plain model of what it promises: commands are carried out on both, and every answer of the store is
 * held against the model. What the model does not know (which of two that may go first does) it takes from the store.
 */
import {
  isRoomAddress,
  queueAddress,
  roomAddress,
  type Delivery,
  type NewMessage,
  type QueueAddress,
  type RoomAddress,
} from "../../src/queue/message";
import type { Settlement, SettleRequest, Store } from "../../src/queue/store";
import type { StoreSettings } from "../../src/stores/open-store";
import { rulesWith } from "../support/rules";

export const QUEUES = ["driver", "pack", "@ada", "@bob"].map((name) => queueAddress("/", name));
const INBOXES = QUEUES.slice(2);
const ROOM: RoomAddress = roomAddress("/", "north");

const MAX_MESSAGES = 80;

export const MODEL_SETTINGS: StoreSettings = {
  rules: rulesWith({ maxMessages: MAX_MESSAGES }),
  maxQueues: 50,
  maxQueuesPerClient: 50,
  maxEndings: 1_000,
  dedupWindowMs: 3_600_000,
  dedupMaxIds: 1_000_000,
  historyMessages: 10,
  historyMs: 1e12,
  residentBytes: 12_000,
  laneWindow: 4,
};

export interface AppendCommand {
  readonly kind: "append";
  /** One of `QUEUES`; past them, the room. */
  readonly target: number;
  readonly count: number;
  readonly priority: number;
  readonly group: number | undefined;
  readonly delayMs: number | undefined;
  readonly ttlMs: number | undefined;
  /** Says an id again that was used before. */
  readonly again: boolean;
}

export type StepCommand =
  | AppendCommand
  | { readonly kind: "lease"; readonly queue: number; readonly holders: number; readonly limit: number }
  | {
      readonly kind: "settle";
      readonly pick: number;
      readonly count: number;
      readonly action: "ack" | "retry" | "delay" | "dead" | "extend";
      readonly wrong: "attempt" | "holder" | undefined;
    }
  | { readonly kind: "tick"; readonly ms: number }
  | { readonly kind: "join"; readonly inbox: number; readonly replay: boolean }
  | { readonly kind: "leave"; readonly inbox: number };

export type Command =
  | StepCommand
  /** Made without waiting for each other. */
  | { readonly kind: "together"; readonly steps: readonly StepCommand[] }
  /** The same, while the store takes no writes. */
  | { readonly kind: "fault"; readonly steps: readonly StepCommand[] }
  | { readonly kind: "dead"; readonly fate: "redrive" | "purge"; readonly queue: number }
  | { readonly kind: "restart"; readonly how: "closed" | "crashed" };

interface Known {
  readonly queue: QueueAddress;
  readonly id: string;
  /** Undefined for replayed history that was not delivered yet. */
  seq: number | undefined;
  readonly priority: number;
  readonly group: string | undefined;
  expiresAt: number | undefined;
  dueAt: number | undefined;
  /** Whether it has its place by its seq from the start. */
  readonly inOrder: boolean;
  state: "ready" | "delayed" | "leased" | "dead" | "ended";
  attempt: number;
  holder: string;
  deadline: number;
  /** Settlements of it that are under way. */
  leaving: number;
}

const LEASE_MS = 30_000;

export class StoreModel {
  private now = 1_800_000_000_000;
  private ids = 0;
  private readonly messages = new Map<QueueAddress, Known[]>(QUEUES.map((queue) => [queue, []]));
  private readonly expired = new Map<QueueAddress, number>();
  private readonly used = new Map<string, number | undefined>();
  /** The room's members, each with the seq from which on it was given everything. */
  private readonly coveredFrom = new Map<QueueAddress, number>();
  private readonly history: { readonly seq: number; readonly message: NewMessage }[] = [];
  private lastSeq = 0;
  /** While commands are under way together, nobody can say which message was ready when. */
  private together = false;

  constructor(
    private store: Store,
    private readonly subject: {
      reopen?(how: "closed" | "crashed"): Promise<Store>;
      setFailing?(failing: boolean): void;
    } = {},
  ) {}

  async run(commands: readonly Command[]): Promise<void> {
    for (const [index, command] of commands.entries()) {
      if (command.kind === "restart") await this.restart(command.how);
      else if (command.kind === "together") await this.runTogether(command.steps);
      else if (command.kind === "fault") await this.runFailing(command.steps);
      else if (command.kind === "dead") await this[command.fate](at(QUEUES, command.queue));
      else await this.step(command);
      if (index % 8 === 0) await this.compare();
    }
    await this.compare();
    await this.finish();
  }

  private async runFailing(steps: readonly StepCommand[]): Promise<void> {
    const { subject } = this;
    if (subject.setFailing === undefined) return;
    await this.rest();
    subject.setFailing(true);
    for (const step of steps) {
      await this.step(step).catch((error: { code?: string }) => {
        if (error.code !== "STORE_UNAVAILABLE") throw error;
      });
    }
    subject.setFailing(false);
  }

  private async runTogether(steps: readonly StepCommand[]): Promise<void> {
    const changed = new Set<QueueAddress>();
    const made = steps.filter((step) => {
      // Of a message to the room that a leave is under way for, and of history that an inbox may be too full for, only
      // the store can say who gets it.
      if (step.kind === "append" && step.target >= QUEUES.length) return !steps.some(({ kind }) => kind === "leave");
      if (step.kind !== "join" && step.kind !== "leave") return true;
      const inbox = at(INBOXES, step.inbox);
      const isFirst = !changed.has(inbox);
      changed.add(inbox);
      return isFirst && !(step.kind === "join" && step.replay);
    });
    this.together = true;
    // The broker looks for what is due one look at a time.
    let looked = Promise.resolve();
    await Promise.all(
      made.map((step) => (step.kind === "tick" ? (looked = looked.then(() => this.step(step))) : this.step(step))),
    );
    this.together = false;
    // What became due while a look was under way is ready after the next.
    await this.tick(0);
  }

  private step(command: StepCommand): Promise<void> {
    switch (command.kind) {
      case "append":
        return this.append(command);
      case "lease":
        return this.lease(at(QUEUES, command.queue), command.holders, command.limit);
      case "settle":
        return this.settle(command);
      case "tick":
        return this.tick(command.ms);
      case "join":
        return this.join(at(INBOXES, command.inbox), command.replay);
      case "leave":
        return this.leave(at(INBOXES, command.inbox));
    }
  }

  private async append(command: AppendCommand): Promise<void> {
    const target = QUEUES[command.target] ?? ROOM;
    const batch = Array.from({ length: command.count }, (): NewMessage => {
      const dueAt = command.delayMs === undefined ? undefined : this.now + command.delayMs;
      const id = command.again && this.ids > 0 ? `m${this.ids - 1}` : `m${this.ids++}`;
      return {
        target,
        id,
        event: "e",
        payload: JSON.stringify("x".repeat(this.ids % 300)),
        priority: command.group === undefined ? command.priority : 4,
        group: command.group === undefined ? undefined : `g${command.group}`,
        headers: undefined,
        publisher: "p",
        publishedAt: this.now,
        dueAt,
        isDueFixed: false,
        expiresAt: command.ttlMs === undefined ? undefined : (dueAt ?? this.now) + command.ttlMs,
      };
    });
    const members = [...this.coveredFrom.keys()];
    const inboxes = isRoomAddress(target) ? members : [target];
    const before = inboxes.map((queue) => this.unended(queue).length);
    const results = await this.store.append(batch);
    for (const [index, message] of batch.entries()) {
      const result = results[index];
      if (result === undefined) throw new Error("a message has no result");
      if ("error" in result) {
        if (result.error.code !== "QUEUE_FULL") throw result.error;
        if (this.together) continue;
        const fullest = Math.max(...before) + index;
        check(fullest >= MAX_MESSAGES, `${message.id} was refused by a queue of ${fullest}`);
        continue;
      }
      const key = `${target}/${message.id}`;
      const first = this.used.get(key);
      if (result.status === "duplicate") {
        check(first === undefined || first === result.seq, `${message.id} was stored as ${first}, not ${result.seq}`);
        check(first !== undefined || this.used.has(key) || this.together, `${message.id} is no duplicate`);
        continue;
      }
      check(first === undefined, `${message.id} was stored twice`);
      check(this.together || result.seq > this.lastSeq, `${message.id} has seq ${result.seq} after ${this.lastSeq}`);
      this.lastSeq = Math.max(this.lastSeq, result.seq);
      this.used.set(key, result.seq);
      if (isRoomAddress(target)) this.sentToRoom(result.seq, message, members);
      for (const inbox of inboxes) this.add(inbox, message, isRoomAddress(target) ? undefined : result.seq, true);
    }
  }

  private sentToRoom(seq: number, message: NewMessage, members: readonly QueueAddress[]): void {
    this.history.push({ seq, message });
    this.history.sort((a, b) => a.seq - b.seq);
    for (const inbox of members) this.coveredFrom.set(inbox, Math.min(seq, this.coveredFrom.get(inbox) ?? Infinity));
  }

  private add(queue: QueueAddress, message: NewMessage, seq: number | undefined, isLive: boolean): void {
    const { id, priority, group, expiresAt } = message;
    const dueAt = isLive ? message.dueAt : undefined;
    const known: Known = {
      queue,
      id,
      seq,
      priority,
      group,
      expiresAt,
      dueAt,
      inOrder: dueAt === undefined && seq !== undefined,
      state: dueAt === undefined ? "ready" : "delayed",
      attempt: 0,
      holder: "",
      deadline: 0,
      leaving: 0,
    };
    const list = this.of(queue);
    // Where commands run together, it may have been given out before its publisher had the answer.
    const early = this.early.find((each) => each.queue === queue && each.id === id && each.seq === (seq ?? each.seq));
    if (early === undefined) {
      list.push(known);
      return;
    }
    this.early.splice(this.early.indexOf(early), 1);
    list.push({ ...early, group, expiresAt });
  }

  /** Given out before the model knew of them. */
  private readonly early: Known[] = [];

  private async lease(queue: QueueAddress, holders: number, limit: number): Promise<void> {
    const requests = Array.from({ length: holders }, (_, index) => ({
      holder: `h${index}`,
      client: "c",
      limit,
      limitBytes: 1e9,
    }));
    const { now } = this;
    const dealt = await this.store.lease(queue, requests, now, LEASE_MS);
    check(dealt.length <= holders * limit, `${dealt.length} were dealt out`);
    for (const delivery of dealt) this.given(delivery, now);
  }

  private given({ message, attempt, holder, deadline }: Delivery, now: number): void {
    const { queue, id, seq } = message;
    const name = `${queue} ${id}#${seq}@${attempt}`;
    const ofId = this.of(queue).filter((known) => known.id === id);
    const unnamed = ofId.filter((each) => each.seq === undefined);
    const known = ofId.find((each) => each.seq === seq) ?? unnamed.find(({ state }) => state === "ready") ?? unnamed[0];
    if (known === undefined) {
      check(this.together, `${name} was never stored`);
      const { priority, group, expiresAt } = message;
      const state = "leased";
      const early = { queue, id, seq, priority, group, expiresAt, dueAt: undefined, inOrder: false, leaving: 0 };
      this.early.push({ ...early, state, attempt, holder, deadline });
      return;
    }
    known.seq = seq;
    check(known.state !== "ended" && known.state !== "dead", `${name} had ended`);
    check(attempt > known.attempt, `${name} was given out as ${known.attempt} before`);
    check(known.expiresAt === undefined || known.expiresAt > now, `${name} had expired`);
    for (const other of ofId) {
      check(other.state !== "leased" || other.leaving > 0, `${name}: its id is out already, as ${other.attempt}`);
    }
    if (!this.together) this.checkTurn(known, name, now);
    if (known.group !== undefined) this.checkGroup(known, name);
    Object.assign(known, { state: "leased", attempt, holder, deadline });
  }

  private checkTurn(known: Known, name: string, now: number): void {
    check(known.state === "ready", `${name} was ${known.state}`);
    for (const other of this.of(known.queue)) {
      if (other.state !== "ready" || other.seq === undefined || known.seq === undefined) continue;
      if (other === known || (other.expiresAt ?? Infinity) <= now) continue;
      const isNamesake = this.of(known.queue).some((each) => each.id === other.id && each.state === "leased");
      if (isNamesake) continue;
      const isBefore = other.priority > known.priority || (other.priority === known.priority && other.seq < known.seq);
      if (!isBefore) continue;
      if (other.group === undefined) check(false, `${name} overtook ${other.id}#${other.seq}`);
      else if (other.group === known.group && other.inOrder && known.inOrder && known.attempt === 0) {
        check(false, `${name} overtook ${other.id}#${other.seq} of its group`);
      }
    }
  }

  private checkGroup(known: Known, name: string): void {
    for (const other of this.of(known.queue)) {
      if (other === known || other.group !== known.group || other.leaving > 0) continue;
      check(other.state !== "leased", `${name}: ${other.id} of its group is out`);
      check(
        other.state !== "delayed" || other.attempt === 0,
        `${name}: ${other.id} of its group waits to be tried again`,
      );
    }
  }

  private async settle(command: Extract<StepCommand, { kind: "settle" }>): Promise<void> {
    const out = QUEUES.flatMap((queue) => this.of(queue).filter(({ state }) => state === "leased"));
    const picked = Array.from({ length: Math.min(command.count, out.length) }, (_, index) =>
      at(out, (command.pick + index) % out.length),
    );
    await this.settleAll([...new Set(picked)], command);
  }

  private async settleAll(
    picked: readonly Known[],
    { action, wrong }: Pick<Extract<StepCommand, { kind: "settle" }>, "action" | "wrong">,
  ): Promise<void> {
    const settlement = this.settlementOf(action);
    const requests = picked.map(({ queue, id, attempt, holder }): SettleRequest => ({
      queue,
      id,
      attempt: wrong === "attempt" ? attempt + 1 : attempt,
      holder: wrong === "holder" ? "nobody" : holder,
      settlement,
    }));
    const attempts = picked.map(({ attempt }) => attempt);
    if (wrong === undefined) for (const known of picked) known.leaving++;
    const results = await this.store.settle(requests).finally(() => {
      if (wrong === undefined) for (const known of picked) known.leaving--;
    });
    for (const [index, known] of picked.entries()) {
      const result = results[index];
      if (wrong !== undefined) {
        check(result === "lost", `${known.id} was settled by a stranger: ${result}`);
        continue;
      }
      check(result === "done" || this.together, `${known.id}@${known.attempt} could not be settled: ${result}`);
      if (result === "done") this.settled(known, settlement, attempts[index] ?? 0);
    }
  }

  private settlementOf(action: "ack" | "retry" | "delay" | "dead" | "extend"): Settlement {
    switch (action) {
      case "ack":
        return { action };
      case "dead":
        return { action, reason: "refused", error: "poison" };
      case "extend":
        return { action, deadline: this.now + LEASE_MS };
      case "retry":
        return { action: "retry", dueAt: undefined, error: "failed" };
      case "delay":
        return { action: "retry", dueAt: this.now + 2_000, error: "failed" };
    }
  }

  private settled(known: Known, settlement: Settlement, attempt: number): void {
    if (settlement.action === "extend") {
      if (known.attempt === attempt) known.deadline = settlement.deadline;
      return;
    }
    // Where commands run together, it may be out again before the settler has the answer.
    const isOutAgain = known.attempt > attempt;
    if (settlement.action === "retry") {
      if (isOutAgain) return;
      known.dueAt = settlement.dueAt;
      known.state = settlement.dueAt === undefined ? "ready" : "delayed";
      return;
    }
    check(!isOutAgain, `${known.id} was given out after its end`);
    known.state = settlement.action === "dead" ? "dead" : "ended";
  }

  private async tick(ms: number): Promise<void> {
    this.now += ms;
    const { now } = this;
    const lapsed = await this.store.expire(now);
    for (const known of QUEUES.flatMap((queue) => this.of(queue))) {
      if (known.state === "delayed" && (known.dueAt ?? 0) <= now) known.state = "ready";
    }
    const reported = new Set(lapsed.map(({ message: { queue, seq } }) => `${queue}/${seq}`));
    const over = QUEUES.flatMap((queue) => this.of(queue)).filter(
      (known) => known.state === "leased" && known.leaving === 0 && known.deadline <= now,
    );
    for (const known of over) {
      check(this.together || reported.has(`${known.queue}/${known.seq}`), `the lease of ${known.id} has no end`);
    }
    const found = over.filter((known) => reported.has(`${known.queue}/${known.seq}`));
    check(this.together || found.length === lapsed.length, "a lease was ended early");
    await this.settleAll(found, { action: "delay", wrong: undefined });
  }

  private async join(inbox: QueueAddress, replay: boolean): Promise<void> {
    const former = this.coveredFrom.get(inbox);
    const coveredFrom = former ?? Infinity;
    this.coveredFrom.set(inbox, coveredFrom);
    const kept = this.history.slice(-MODEL_SETTINGS.historyMessages);
    const wanted = replay ? kept.filter(({ seq }) => seq < coveredFrom) : [];
    const isFull = this.unended(inbox).length >= MAX_MESSAGES;
    try {
      const { replayed } = await this.store.join(ROOM, inbox, replay ? "all" : undefined, "client");
      check(replayed === wanted.length, `${replayed} were replayed, not ${wanted.length}`);
    } catch (error) {
      if (former === undefined) this.coveredFrom.delete(inbox);
      if (isFull && (error as { code?: string }).code === "QUEUE_FULL") return;
      throw error;
    }
    for (const { message } of wanted) this.add(inbox, message, undefined, false);
    const [first] = wanted;
    if (first) this.coveredFrom.set(inbox, first.seq);
  }

  private async leave(inbox: QueueAddress): Promise<void> {
    const former = this.coveredFrom.get(inbox);
    this.coveredFrom.delete(inbox);
    await this.store.leave(ROOM, inbox).catch((error: unknown) => {
      if (former !== undefined) this.coveredFrom.set(inbox, former);
      throw error;
    });
  }

  private async redrive(queue: QueueAddress): Promise<void> {
    await this.rest();
    const isFull = this.unended(queue).length >= MAX_MESSAGES;
    const dead = this.of(queue).filter(({ state }) => state === "dead");
    try {
      const redriven = await this.store.redrive(queue, {}, this.now, 0);
      check(redriven === dead.length, `${queue}: ${redriven} were redriven, not ${dead.length}`);
    } catch (error) {
      if (isFull && (error as { code?: string }).code === "QUEUE_FULL") return;
      throw error;
    }
    for (const known of dead) Object.assign(known, { state: "ready", expiresAt: undefined });
  }

  private async purge(queue: QueueAddress): Promise<void> {
    await this.rest();
    const dead = this.of(queue).filter(({ state }) => state === "dead");
    const purged = await this.store.purge(queue, {});
    check(purged === dead.length, `${queue}: ${purged} were purged, not ${dead.length}`);
    for (const known of dead) known.state = "ended";
  }

  private async restart(how: "closed" | "crashed"): Promise<void> {
    if (this.subject.reopen === undefined) return;
    await this.rest();
    this.store = await this.subject.reopen(how);
    for (const known of QUEUES.flatMap((queue) => this.of(queue))) if (known.state === "leased") known.state = "ready";
  }

  /** Waits until nothing is under way. */
  private async rest(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await this.store.probe();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  private async compare(): Promise<void> {
    check(this.early.length === 0, `given out and never confirmed: ${this.early.map(({ id }) => id).join()}`);
    // What a page under way kept from being ended is ended by the second look.
    for (let look = 0; look < 2; look++) {
      await this.rest();
      await this.tick(0);
    }
    await this.rest();
    for (const queue of QUEUES) {
      for (const known of this.unended(queue)) {
        if (known.state === "leased" || (known.expiresAt ?? Infinity) > this.now) continue;
        known.state = "ended";
        this.expired.set(queue, this.expiredOf(queue) + 1);
      }
      const count = (state: Known["state"]) => this.of(queue).filter((known) => known.state === state).length;
      const expected = {
        ready: count("ready"),
        delayed: count("delayed"),
        leased: count("leased"),
        dead: count("dead"),
        expired: this.expiredOf(queue),
      };
      const actual = await this.store.stats(queue);
      for (const name of ["ready", "delayed", "leased", "dead", "expired"] as const) {
        check(actual[name] === expected[name], `${queue}: ${actual[name]} ${name}, not ${expected[name]}`);
      }
      check(
        (await this.store.deadLetters(queue, {}, 1e6, 0)).length === expected.dead,
        `${queue}: dead letters are missing`,
      );
    }
  }

  /** Takes out everything that is left: nothing may be stuck. */
  private async finish(): Promise<void> {
    for (let idle = 0; idle < 4; idle++) {
      await this.tick(1_000);
      await this.compare();
      for (const queue of QUEUES) {
        await this.lease(queue, 1, 1_000);
        const out = this.of(queue).filter(({ state }) => state === "leased");
        if (out.length > 0) idle = 0;
        await this.settleAll(out, { action: "ack", wrong: undefined });
      }
      if (idle === 3 && QUEUES.some((queue) => this.of(queue).some(({ state }) => state === "delayed"))) {
        idle = 0;
        this.now += 60_000;
      }
    }
    await this.compare();
    for (const queue of QUEUES) {
      const stuck = this.unended(queue).map(({ id, state }) => `${id} (${state})`);
      check(stuck.length === 0, `${queue} never gave out ${stuck.join(", ")}`);
    }
  }

  private of(queue: QueueAddress): Known[] {
    return this.messages.get(queue) ?? [];
  }

  private unended(queue: QueueAddress): Known[] {
    return this.of(queue).filter(({ state }) => state !== "ended" && state !== "dead");
  }

  private expiredOf(queue: QueueAddress): number {
    return this.expired.get(queue) ?? 0;
  }
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length];
  if (item === undefined) throw new Error("there is nothing to choose from");
  return item;
}
