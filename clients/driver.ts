import { Argument, Command, Option } from "commander";
import {
  addHubOptions,
  readArguments,
  readClientId,
  readCount,
  readDuration,
  type HubArguments,
} from "./terminal/arguments";
import { Courier, describeDriverTally } from "./terminal/courier";
import { loadEnvironment } from "./terminal/environment";
import type { ExitCode } from "./terminal/exit-codes";
import { DRIVER_QUEUE } from "./terminal/order";
import { ManualPace, timedPace } from "./terminal/pace";
import { shown } from "./terminal/screen";
import { Slots } from "./terminal/slots";
import { Terminal } from "./terminal/terminal";
import { DRIVER_HELP, MANUAL_DRIVER_HELP, readDriverCommand } from "./terminal/typed-commands";

/** Milliseconds, on top of the trips themselves, for the hub to store the last news. */
const FINISH_MS = 5_000;

interface DriverOptions extends HubArguments {
  work: number;
  transit: number;
  capacity: number;
  manual?: true;
  exclusive?: true;
}

/** The driver's terminal: takes parcels and tells their shops. @returns the code to exit with. */
export async function runDriver(argv: readonly string[]): Promise<ExitCode> {
  loadEnvironment();
  const command = driverCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  return drive(String(command.processedArgs[0]), command.opts<DriverOptions>());
}

function driverCommand(): Command {
  return addHubOptions(
    new Command("waybill driver")
      .description("Takes orders from the shared queue, and those that are for this driver alone.")
      .addArgument(new Argument("<id>", "name of the driver: its identity at the hub").argParser(readClientId))
      .addOption(
        new Option("--work <duration>", "time from the offer to the pick-up")
          .default(1_000, "1s")
          .argParser(readDuration),
      )
      .addOption(
        new Option("--transit <duration>", "time from the pick-up to the delivery")
          .default(2_000, "2s")
          .argParser(readDuration),
      )
      .addOption(new Option("--capacity <n>", "parcels in hand at once").default(1).argParser(readCount))
      .option("--exclusive", "alone at the shared queue: stand by while a driver that came earlier is there")
      .option("--manual", "nothing goes by itself: type take, deliver or fail")
      .addHelpText("after", HELP),
  );
}

const HELP = `
With --manual, it takes typed commands:
${MANUAL_DRIVER_HELP.map((line) => `  ${line}`).join("\n")}

Exit codes:
  0  nothing left in hand
  1  stopped with parcels in hand; the hub gives them to other drivers
  2  wrong command line
  3  refused by the hub (a wrong token, a missing permission)`;

async function drive(driver: string, options: DriverOptions): Promise<ExitCode> {
  const { url, token, work, transit, capacity, exclusive } = options;
  const terminal = new Terminal("driver", driver, { url, token });
  const { client, say } = terminal;
  const manual = options.manual
    ? new ManualPace(({ orderId, store, customer, address }) =>
        say(
          `offer ${shown(orderId)} from ${shown(store)}: ${shown(customer)}, ${shown(address)} (take, or fail <reason>)`,
        ),
      )
    : undefined;
  // Both queues share the places, so that the capacity holds; an order for this driver alone may wait for one.
  const courier = new Courier(client, driver, manual ?? timedPace(work, transit), new Slots(capacity), say, (error) =>
    terminal.refuse(error),
  );

  return terminal.run({
    begin: async () => {
      await client.consume(undefined, courier.carry, { prefetch: capacity });
      await client.consume(DRIVER_QUEUE, courier.carry, { prefetch: capacity, exclusive });
    },
    onCommand: (line) => obey(line, terminal, manual),
    onInputEnd: () => {
      if (manual) terminal.stop();
    },
    stop: () => {
      courier.goHome();
      const { inHand } = courier.tally();
      if (manual) manual.end(`driver ${driver} went home`);
      else if (inHand > 0 && client.state === "connected")
        say(`finishing what is in hand: ${inHand} (Ctrl-C again to leave it)`);
    },
    finishMs: 2 * (work + transit) + FINISH_MS,
    summary: () => describeDriverTally(courier.tally()),
    get settled() {
      return courier.tally().inHand === 0;
    },
  });
}

function obey(line: string, terminal: Terminal, manual: ManualPace | undefined): void {
  const { say } = terminal;
  const command = readDriverCommand(line);
  switch (command?.name) {
    case undefined:
      return;
    case "mistyped":
      return say(command.problem, "bad");
    case "help":
      return (manual ? MANUAL_DRIVER_HELP : DRIVER_HELP).forEach((text) => say(text));
    case "quit":
      return terminal.stop();
    case "take":
      if (manual?.step("take") === false) say("no parcel is offered", "bad");
      break;
    case "deliver":
      if (manual?.step("deliver") === false) say("no parcel is in hand", "bad");
      break;
    case "fail":
      if (manual?.fail(command.reason) === false) say("there is no parcel to give back", "bad");
  }
  if (!manual) say(`${command.name} is for drivers started with --manual`, "bad");
}
