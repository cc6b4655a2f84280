import { Argument, Command, Option } from "commander";
import {
  addHubOptions,
  readArguments,
  readClientId,
  readCount,
  readDuration,
  type HubArguments,
} from "./terminal/arguments";
import { loadEnvironment } from "./terminal/environment";
import type { ExitCode } from "./terminal/exit-codes";
import { createOrder } from "./terminal/order";
import { describeVendorTally, OrderBook } from "./terminal/order-book";
import { shown } from "./terminal/screen";
import { Shop } from "./terminal/shop";
import { Terminal } from "./terminal/terminal";
import { readVendorCommand, VENDOR_HELP } from "./terminal/typed-commands";

const DEFAULT_EVERY_MS = 5_000;
/** Milliseconds in which a hub that is there confirms what is still under way. */
const FINISH_MS = 5_000;
/** Lines that `orders` shows. */
const LISTED_ORDERS = 20;

interface VendorOptions extends HubArguments {
  every: number | "off";
  count?: number;
  driver?: string;
}

/** The vendor's terminal: places orders and thanks for each that was delivered. @returns the code to exit with. */
export async function runVendor(argv: readonly string[]): Promise<ExitCode> {
  loadEnvironment();
  const command = vendorCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const options = command.opts<VendorOptions>();
  return keepShop(String(command.processedArgs[0]), options);
}

function vendorCommand(): Command {
  return addHubOptions(
    new Command("waybill vendor")
      .description("Places orders for a store and hears what becomes of them.")
      .addArgument(new Argument("<store>", "name of the store: its identity at the hub").argParser(readClientId))
      .addOption(
        new Option("--every <duration>", "time between made-up orders, or off for typed orders only")
          .default(DEFAULT_EVERY_MS, "5s")
          .argParser((text) => (text === "off" ? text : readDuration(text))),
      )
      .option("--count <n>", "end by itself once n made-up orders were placed and all are delivered", readCount)
      .option("--driver <id>", "ask this one driver, instead of whoever is free", readClientId)
      .addHelpText("after", HELP)
      .action((_store: string, { every, count }: VendorOptions, command: Command) => {
        if (every === "off" && count !== undefined)
          command.error("option '--count' needs orders, and '--every off' makes none");
      }),
  );
}

const HELP = `
It takes typed commands:
${VENDOR_HELP.map((line) => `  ${line}`).join("\n")}

Exit codes:
  0  all orders confirmed and, with --count, placed and delivered
  1  stopped with orders that are unconfirmed or refused or, with --count, not placed or not delivered
  2  wrong command line
  3  refused by the hub (a wrong token, a missing permission)`;

async function keepShop(store: string, { url, token, every, count, driver }: VendorOptions): Promise<ExitCode> {
  const terminal = new Terminal("vendor", store, { url, token });
  const { client, say } = terminal;
  const book = new OrderBook();
  /** Orders that are to be delivered before it ends, and not only confirmed. */
  let mustDeliver = count !== undefined;
  let endsWhenSettled = false;
  const shop = new Shop(client, book, {
    store,
    driver,
    count,
    say,
    onForbidden: (error) => terminal.refuse(error),
    onChange: () => {
      if (endsWhenSettled && shop.settled) terminal.stop();
    },
  });

  return terminal.run({
    begin: async () => {
      await client.consume(undefined, shop.hear);
      if (every === "off") return;
      shop.stream(every);
      // Not before: news of an earlier run's order may come first, and nothing is open then either.
      endsWhenSettled = count !== undefined;
    },
    onCommand: (line) => obey(line, terminal, shop, book, store),
    onInputEnd: () => {
      // Orders that came through a pipe are the work to be done, where no stream goes on without them.
      if (every !== "off" || book.tally().sent === 0) return;
      endsWhenSettled = mustDeliver = true;
      if (shop.settled) terminal.stop();
    },
    stop: () => shop.stopStream(),
    finishMs: FINISH_MS,
    summary: () => describeVendorTally(book.tally(), shop.unplaced),
    get settled() {
      const { unconfirmed, refused, outstanding } = book.tally();
      return unconfirmed === 0 && refused === 0 && (!mustDeliver || outstanding + shop.unplaced === 0);
    },
  });
}

function obey(line: string, terminal: Terminal, shop: Shop, book: OrderBook, store: string): void {
  const { say } = terminal;
  const command = readVendorCommand(line);
  switch (command?.name) {
    case undefined:
      return;
    case "mistyped":
      return say(command.problem, "bad");
    case "order":
      return void shop.place(createOrder(store, command.customer, command.address));
    case "burst":
      return void shop.burst(command.count);
    case "orders":
      return listOrders(book, say);
    case "help":
      return VENDOR_HELP.forEach((text) => say(text));
    case "quit":
      return terminal.stop();
  }
}

function listOrders(book: OrderBook, say: (text: string) => void): void {
  const latest = book.latest(LISTED_ORDERS);
  if (latest.length === 0) say("no orders yet");
  for (const { order, state } of latest) {
    say(`${shown(order.orderId)}  ${state.padEnd(10)}  ${shown(order.customer)}, ${shown(order.address)}`);
  }
  const older = book.size - latest.length;
  if (older > 0) say(`and ${older} older`);
}
