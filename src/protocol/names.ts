/**
 * Names on the wire: clients, queues, rooms, and the patterns that permissions and routes are written in.
 *
 * A name is 1 to 128 characters of any language, without control characters, `:` or `*`, not starting with `@` and
 * neither starting nor ending with white space. Shop names such as `O'Hara, Kessler & Sons` are names.
 */
export const MAX_NAME_LENGTH = 128;

const NAME = /^(?![\s@])[^\p{C}:*]{1,128}(?<!\s)$/u;
const MAX_NAMESPACE_LENGTH = 64;
const NAMESPACE = /^\/[A-Za-z0-9._/-]*$/;

export function isName(value: string): boolean {
  return NAME.test(value);
}

/** A queue's name as requests carry it: a shared queue's name, or `@<clientId>` for an inbox. */
export function isQueueName(value: string): boolean {
  return isName(value.startsWith("@") ? value.slice(1) : value);
}

export function isNamespace(value: string): boolean {
  return value.length <= MAX_NAMESPACE_LENGTH && NAMESPACE.test(value);
}

/** The name of the queue that only this client consumes. */
export function inboxOf(clientId: string): string {
  return `@${clientId}`;
}

export function isInbox(queue: string): boolean {
  return queue.startsWith("@");
}

/** How permissions and routes write a room: `room:<name>`. A queue's name has no colon, so the two never meet. */
export function roomTarget(room: string): string {
  return `room:${room}`;
}

/** A matcher for a list of names or patterns, in which `*` stands for any run of characters: `driver`, `@*`, `room:north-*`. */
export function compilePatterns(patterns: readonly string[]): (name: string) => boolean {
  const matchers = patterns.map(compilePattern);
  return (name) => matchers.some((matches) => matches(name));
}

function compilePattern(pattern: string): (name: string) => boolean {
  if (!pattern.includes("*")) return (name) => name === pattern;
  const source = pattern.split("*").map(escapeRegExp).join(".*");
  const expression = new RegExp(`^${source}$`, "su");
  return (name) => expression.test(name);
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}/]/g, "\\$&");
}
