/**
 * Runs a task once what is going on in this turn of the event loop has run, without the delay that timers have.
 * All that one turn publishes or settles thereby travels in one packet. Browsers have no `setImmediate`.
 */
export const afterTurn: (task: () => void) => void = chooseAfterTurn();

function chooseAfterTurn(): (task: () => void) => void {
  const { setImmediate } = globalThis as { setImmediate?: (task: () => void) => unknown };
  return setImmediate ? (task) => void setImmediate(task) : throughMessageChannel();
}

/** As browsers have it; Node's types know only Node's. */
interface BrowserChannel {
  readonly port1: { onmessage: (() => void) | null };
  readonly port2: { postMessage(message: null): void };
}

function throughMessageChannel(): (task: () => void) => void {
  const tasks: (() => void)[] = [];
  const channel: unknown = new MessageChannel();
  const { port1, port2 } = channel as BrowserChannel;
  port1.onmessage = () => tasks.shift()?.();
  return (task) => {
    tasks.push(task);
    port2.postMessage(null);
  };
}
