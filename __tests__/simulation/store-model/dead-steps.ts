import type { DeadSelection } from "../../../src/queue/message";
import { check, pick } from "./check";
import type { DeadCommand } from "./commands";
import type { KnownMessage } from "./known-message";
import type { KnownQueue } from "./known-queue";
import type { Scene } from "./scene";

/** What an operator does about dead letters, while nothing else is under way. */
export async function handleDead(scene: Scene, command: DeadCommand): Promise<void> {
  const queue = pick(scene.queues, command.queue);
  const selection = selectionOf(command, queue.select({}));
  const selected = queue.select(selection);
  const expected = selected.map(({ id }) => id).join();
  if (command.fate === "show") {
    const shown = await scene.store.deadLetters(queue.address, selection, 1e6, 0);
    const ids = shown.map(({ message }) => message.id).join();
    check(ids === expected, `${queue.address}: the dead letters ${ids} were shown, not ${expected}`);
  } else if (command.fate === "purge") {
    const purged = await scene.store.purge(queue.address, selection);
    check(purged === selected.length, `${queue.address}: ${purged} were purged, not ${expected}`);
    queue.purge(selected);
  } else {
    await redrive(scene, queue, selection, selected, command.everyMs);
  }
}

async function redrive(
  scene: Scene,
  queue: KnownQueue,
  selection: DeadSelection,
  selected: readonly KnownMessage[],
  everyMs: number,
): Promise<void> {
  const now = scene.clock.time;
  const room = Math.max(0, queue.rules.maxMessages - queue.unended.length);
  const expected = selected.slice(0, room);
  try {
    const redriven = await scene.store.redrive(queue.address, selection, now, everyMs);
    check(redriven === expected.length, `${queue.address}: ${redriven} were redriven, not ${expected.length}`);
  } catch (error) {
    if (room === 0 && (error as { code?: string }).code === "QUEUE_FULL") return;
    throw error;
  }
  queue.redrive(expected, now, everyMs);
}

function selectionOf(command: DeadCommand, dead: readonly KnownMessage[]): DeadSelection {
  const { picks, reason, event, group, error, limit } = command;
  const pickDead = (index: number): KnownMessage | undefined => dead[index % dead.length];
  const diedAt = (index: number | undefined): number | undefined =>
    index === undefined ? index : pickDead(index)?.diedAt;
  return {
    ids: picks?.map((index) => pickDead(index)?.id ?? "unknown"),
    reason,
    event: event === undefined ? undefined : `e${event}`,
    group: group === undefined ? undefined : `g${group}`,
    error,
    diedFrom: diedAt(command.diedFrom),
    diedUntil: diedAt(command.diedUntil),
    limit,
  };
}
