/** What can be typed into the vendor's terminal. */
export type VendorCommand =
  | { readonly name: "order"; readonly customer: string; readonly address: string }
  | { readonly name: "burst"; readonly count: number }
  | { readonly name: "orders" | "help" | "quit" };

/** What can be typed into the driver's terminal; the first three of them with `--manual` only. */
export type DriverCommand =
  { readonly name: "fail"; readonly reason: string } | { readonly name: "take" | "deliver" | "help" | "quit" };

/** A typed line that is no command: what to say about it. */
export interface Mistyped {
  readonly name: "mistyped";
  readonly problem: string;
}

/** A burst waits in memory until the hub has confirmed it. */
const MAX_BURST = 10_000;

export const VENDOR_HELP: readonly string[] = [
  "order <customer>, <address>   place an order",
  `burst <n>                     place n made-up orders at once (up to ${MAX_BURST})`,
  "orders                        list the latest orders and where they are",
  "quit                          close and print the summary",
];

export const DRIVER_HELP: readonly string[] = ["quit              close and print the summary"];

export const MANUAL_DRIVER_HELP: readonly string[] = [
  "take              pick up the parcel that was offered first",
  "deliver           deliver the parcel that was picked up first",
  "fail <reason>     give the parcel in hand back, or else the one offered first",
  ...DRIVER_HELP,
];

/** Reads a line typed to the vendor; undefined for an empty one. */
export function readVendorCommand(line: string): VendorCommand | Mistyped | undefined {
  const { word, rest } = split(line);
  switch (word) {
    case "":
      return undefined;
    case "order": {
      const comma = rest.indexOf(",");
      const customer = rest.slice(0, Math.max(comma, 0)).trim();
      const address = rest.slice(comma + 1).trim();
      if (customer === "" || address === "") {
        return mistyped("order needs a customer and an address: order Jamal Braun, Schmittfort LA");
      }
      return { name: "order", customer, address };
    }
    case "burst": {
      const count = Number(rest);
      if (!/^\d+$/.test(rest) || count < 1 || count > MAX_BURST) {
        return mistyped(`burst needs a number from 1 to ${MAX_BURST}: burst 100`);
      }
      return { name: "burst", count };
    }
    case "orders":
    case "help":
    case "quit":
      return { name: word };
    case "exit":
      return { name: "quit" };
    default:
      return unknown(word);
  }
}

/** Reads a line typed to the driver; undefined for an empty one. */
export function readDriverCommand(line: string): DriverCommand | Mistyped | undefined {
  const { word, rest } = split(line);
  switch (word) {
    case "":
      return undefined;
    case "fail":
      return rest === "" ? mistyped("fail needs a reason: fail nobody at home") : { name: "fail", reason: rest };
    case "take":
    case "deliver":
    case "help":
    case "quit":
      return { name: word };
    case "exit":
      return { name: "quit" };
    default:
      return unknown(word);
  }
}

function split(line: string): { word: string; rest: string } {
  const [word = "", ...rest] = line.trim().split(/\s+/);
  return { word: word.toLowerCase(), rest: rest.join(" ") };
}

function unknown(word: string): Mistyped {
  return mistyped(`no such command: ${word} (type help)`);
}

function mistyped(problem: string): Mistyped {
  return { name: "mistyped", problem };
}
