/**
 * A store beside a plain model of what it promises: commands are carried out on both, and every answer of the store is
 * held against the model. What the model does not know (which of two that may go first does) it takes from the store.
 */
import type { Store } from "../../../src/queue/store";
import type { SetClock } from "../../conformance/store-in-suite";
import { check, pick } from "./check";
import type { Command, DeadCommand, StepCommand } from "./commands";
import { handleDead } from "./dead-steps";
import { checkTraces } from "./known-places";
import type { KnownQueue } from "./known-queue";
import { ADDRESSES, Scene } from "./scene";
import { Steps } from "./steps";

/** What the model has done to the store besides calling it. */
export interface ModelSubject {
  reopen?(how: "closed" | "crashed"): Promise<Store>;
  /** From now on, or no longer, it takes no writes. */
  setFailing?(failing: boolean): void;
  /** Looks into the store while nothing is under way. */
  audit?(): void;
}

export class StoreModel {
  private readonly scene: Scene;
  private readonly steps: Steps;
  private looks = 0;

  constructor(
    store: Store,
    clock: SetClock,
    private readonly subject: ModelSubject = {},
  ) {
    this.scene = new Scene(store, clock);
    this.steps = new Steps(this.scene);
  }

  async run(commands: readonly Command[]): Promise<void> {
    for (const [index, command] of commands.entries()) {
      await this.carryOut(command);
      if (index % 8 === 0) await this.compare();
    }
    await this.compare();
    await this.finish();
  }

  private carryOut(command: Command): Promise<void> {
    switch (command.kind) {
      case "restart":
        return this.restart(command.how);
      case "together":
        return this.runTogether(command.steps);
      case "fault":
        return this.runFailing(command.steps);
      case "dead":
        return this.handleDead(command);
      case "set clock":
        return this.setClock(command.byMs);
      default:
        return this.steps.step(command);
    }
  }

  private async runFailing(steps: readonly StepCommand[]): Promise<void> {
    if (this.subject.setFailing === undefined) return;
    await this.scene.rest();
    this.subject.setFailing(true);
    this.scene.failing = true;
    for (const step of steps) {
      await this.steps.step(step).catch((error: { code?: string }) => {
        if (error.code !== "STORE_UNAVAILABLE") throw error;
      });
    }
    await this.scene.turn();
    this.subject.setFailing(false);
    this.scene.failing = false;
    for (const queue of this.scene.queues) queue.writeRefused();
  }

  private async runTogether(steps: readonly StepCommand[]): Promise<void> {
    const changed = new Set<KnownQueue>();
    const made = steps.filter((step) => {
      // Of a message to the room that a leave is under way for, and of history that an inbox may be too full for, only
      // the store can say who gets it.
      if (step.kind === "append" && step.target >= ADDRESSES.length) return !steps.some(({ kind }) => kind === "leave");
      if (step.kind !== "join" && step.kind !== "leave") return true;
      const inbox = this.scene.inbox(step.inbox);
      const isFirst = !changed.has(inbox);
      changed.add(inbox);
      return isFirst && !(step.kind === "join" && step.replay);
    });
    await this.scene.rest();
    this.scene.together = true;
    // The broker looks for what is due one look at a time.
    let looked = Promise.resolve();
    await Promise.all(
      made.map((step) =>
        step.kind === "tick" ? (looked = looked.then(() => this.steps.step(step))) : this.steps.step(step),
      ),
    );
    await this.scene.rest();
    for (const queue of this.scene.queues) queue.loseTurns();
    await this.scene.learnDead();
    this.scene.together = false;
    // What became due while a look was under way is ready after the next.
    await this.steps.tick(0);
  }

  private async handleDead(command: DeadCommand): Promise<void> {
    await this.compare();
    await handleDead(this.scene, command);
  }

  private async setClock(byMs: number): Promise<void> {
    await this.scene.rest();
    const before = this.scene.clock.time;
    this.scene.clock.time += byMs;
    await this.scene.store.moveDeadlines(byMs);
    for (const queue of this.scene.queues) queue.moveDeadlines(byMs);
    this.scene.room.moveDeadlines(byMs, before);
  }

  private async restart(how: "closed" | "crashed"): Promise<void> {
    if (this.subject.reopen === undefined) return;
    await this.scene.rest();
    await this.scene.learnDead();
    this.scene.store = await this.subject.reopen(how);
    for (const queue of this.scene.queues) queue.restart();
  }

  private async compare(): Promise<void> {
    // What a page under way kept from being ended is ended by the second look.
    for (let look = 0; look < 2; look++) {
      await this.scene.rest();
      await this.steps.tick(0);
    }
    await this.scene.rest();
    await this.scene.learnDead();
    for (const queue of this.scene.queues) {
      queue.endExpired(this.scene.clock.time);
      queue.checkStats(await this.scene.store.stats(queue.address));
    }
    await this.checkPlaces();
    this.subject.audit?.();
  }

  /** Asks the store where some messages are, others each time: mostly such as go on, and one that may have ended. */
  private async checkPlaces(): Promise<void> {
    const { all, ids } = this.scene;
    const unended = all.filter(({ state }) => state !== "ended");
    const some = Array.from({ length: Math.min(4, unended.length) }, () => pick(unended, this.looks++ * 7).id);
    for (const id of [...some, `m${(this.looks * 7) % (ids + 1)}`]) {
      const known = all.filter((each) => each.id === id);
      checkTraces(id, await this.scene.store.trace(id, "/", undefined), known, all);
      const queue = known[0]?.queue;
      if (queue === undefined) continue;
      const there = known.filter((each) => each.queue === queue);
      checkTraces(id, await this.scene.store.trace(id, "/", queue), there, all);
    }
  }

  /** Takes out everything that is left: nothing may be stuck. */
  private async finish(): Promise<void> {
    for (let idle = 0; idle < 4; idle++) {
      await this.steps.tick(1_000);
      await this.compare();
      for (const [index, queue] of this.scene.queues.entries()) {
        await this.steps.lease({ kind: "lease", queue: index, holders: 1, limit: 1_000 });
        const out = queue.in("leased");
        if (out.length > 0) idle = 0;
        await this.steps.settleAll(out, { action: "ack" });
      }
      if (idle === 3 && this.scene.all.some(({ state }) => state === "delayed")) {
        idle = 0;
        this.scene.clock.time += 3_600_000;
      }
    }
    await this.compare();
    for (const { address, unended } of this.scene.queues) {
      const stuck = unended.map(({ id, state }) => `${id} (${state})`);
      check(stuck.length === 0, `${address} never gave out ${stuck.join(", ")}`);
    }
  }
}
