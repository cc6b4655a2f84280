import type { Trace, Traces } from "../../../src/queue/message";
import { check } from "./check";
import type { KnownMessage } from "./known-message";

/** Of one id, so many are told that go on, as many dead letters, and as many endings. */
const TOLD = 20;

/**
 * Holds what the store says of an id's whereabouts against what the model knows.
 *
 * @param known all messages of the id, in any queue.
 * @param all every message of these queues.
 */
export function checkTraces(
  id: string,
  { found: traces, hasMore }: Traces,
  known: readonly KnownMessage[],
  all: readonly KnownMessage[],
): void {
  if (known.length > TOLD) return;
  check(!hasMore, `there is said to be more of ${id} than is told`);
  const told = traces.map(
    ({ queue, ...trace }) => `${queue} ${trace.state === "ended" ? trace.ending.how : trace.state}`,
  );
  const expected = known.map(({ queue, state, how }) => `${queue} ${how ?? state}`);
  check(
    told.sort().join() === expected.sort().join(),
    `${id} is said to be ${told.join() || "nowhere"}, and is ${expected.join() || "nowhere"}`,
  );
  for (const trace of traces) {
    if (trace.state === "ended") continue;
    const found = known.find(({ seq, queue }) => seq === trace.message.seq && queue === trace.queue);
    if (found) checkTrace(trace, found, all);
  }
}

function checkTrace(
  trace: Exclude<Trace, { state: "ended" }>,
  known: KnownMessage,
  all: readonly KnownMessage[],
): void {
  const name = `${known.queue} ${known.id}#${known.seq}`;
  check(trace.state === known.state, `${name} is said to be ${trace.state}, and is ${known.state}`);
  switch (trace.state) {
    case "ready":
      return checkWaitsFor(trace.waitsFor, known, all, name);
    case "delayed":
      return check(trace.dueAt === known.dueAt, `${name} is said to be due at ${trace.dueAt}, not ${known.dueAt}`);
    case "leased": {
      const { holder, attempt, deadline } = trace.delivery;
      check(holder === known.holder && attempt === known.attempt, `${name} is said to be out to ${holder}@${attempt}`);
      return check(deadline === known.deadline, `${name} is said to be out until ${deadline}, not ${known.deadline}`);
    }
    case "dead":
      return check(trace.letter.reason === known.reason, `${name} is said to be dead as ${trace.letter.reason}`);
  }
}

function checkWaitsFor(
  waitsFor: Extract<Trace, { state: "ready" }>["waitsFor"],
  known: KnownMessage,
  all: readonly KnownMessage[],
  name: string,
): void {
  const others = all.filter((other) => other.queue === known.queue && other !== known);
  const ofGroup = others.filter((other) => known.group !== undefined && other.group === known.group);
  const holder = ofGroup.find(({ state, holdsGroup }) => state === "leased" || (state === "delayed" && holdsGroup));
  const namesake = others.find((other) => other.id === known.id && other.state === "leased");
  if (holder) {
    check(
      waitsFor?.what === "group" && waitsFor.seq === holder.seq,
      `${name} does not say that it waits for ${holder.id}`,
    );
  } else if (namesake) {
    check(waitsFor !== undefined, `${name} does not say that it waits for its namesake`);
  } else if (waitsFor) {
    // The seq of a room's copy is not known before it was out.
    const isThere = ofGroup.some(({ seq, state }) => (seq ?? waitsFor.seq) === waitsFor.seq && state === "ready");
    check(waitsFor.what === "group" && isThere, `${name} is said to wait for #${waitsFor.seq}, which does not hold it`);
  }
}
