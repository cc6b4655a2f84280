import { isLoopback } from "./loopback";

/**
 * Decides which web pages' scripts may connect. A browser lets any page open a WebSocket to this machine and says only
 * from which origin it comes; without this check, every site that a developer visits could use a hub that is open here.
 *
 * @param allowed origins besides those of this machine; `*` allows all.
 * @returns whether a request with this `Origin` may connect; programs other than browsers send none.
 */
export function originCheck(allowed: readonly string[]): (origin: string | undefined) => boolean {
  const all = allowed.includes("*");
  return (origin) => origin === undefined || all || allowed.includes(origin) || isFromThisMachine(origin);
}

function isFromThisMachine(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  return isLoopback(new URL(origin).hostname.replace(/^\[|\]$/g, ""));
}
