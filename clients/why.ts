import { Argument, Command, Option } from "commander";
import { readArguments } from "./terminal/arguments";
import { loadEnvironment } from "./terminal/environment";
import { EXIT, type ExitCode } from "./terminal/exit-codes";
import { addOperatorOptions, askAsOperator, readQueueName, type OperatorArguments } from "./terminal/operator";
import { shown } from "./terminal/screen";
import { describeTraced } from "./terminal/whereabouts";

interface WhyOptions extends OperatorArguments {
  queue?: string;
  json?: boolean;
}

/** `waybill why`: says where a message is, why it does not move, or how it ended. @returns the code to exit with. */
export async function runWhy(argv: readonly string[]): Promise<ExitCode> {
  loadEnvironment();
  const command = whyCommand();
  const exit = readArguments(command, argv);
  if (exit !== undefined) return exit;
  const id = String(command.processedArgs[0]);
  const options = command.opts<WhyOptions>();
  return askAsOperator(command.name(), options, async ({ ask }) => {
    const { messages, more } = await ask("why", { id, queue: options.queue });
    if (options.json) print(JSON.stringify(messages, undefined, 2));
    else if (messages.length > 0) print(messages.map((message) => describeTraced(message).join("\n")).join("\n\n"));
    else complain(command, describeUnknown(id, options));
    if (more) complain(command, describeMore(id, options));
    return messages.length > 0 ? EXIT.SETTLED : EXIT.UNSETTLED;
  });
}

/** Endings are forgotten one day, so nobody can say that it was never there. */
function describeUnknown(id: string, { namespace, queue }: WhyOptions): string {
  const where = queue === undefined ? namespace : `${queue} of ${namespace}`;
  return `nothing is known of ${shown(id)} in ${where}: it was never stored there, or ended too long ago (--namespace looks in another)`;
}

/** Of a message to a large room, in most cases. */
function describeMore(id: string, { queue }: WhyOptions): string {
  const narrower = queue === undefined ? ": name the queue with --queue" : "";
  return `there are more messages with the id ${shown(id)} than these${narrower}`;
}

function whyCommand(): Command {
  const command = new Command("waybill why")
    .description("Says where a message is, why it does not move, or how it ended. Needs an operator's token.")
    .addArgument(new Argument("<id>", "the message's id"))
    .addOption(new Option("--queue <name>", "look in this queue only").argParser(readQueueName))
    .option("--json", "print what the hub answers, as JSON")
    .addHelpText("after", HELP);
  return addOperatorOptions(command);
}

const HELP = `
The message's id, not the order's: that of an order from waybill vendor is <order>/pickup, and what its driver tells
the store is <order>/pickup/in-transit and <order>/pickup/delivered.

Exit codes:
  0  found
  1  nothing is known of it; or no hub, no answer
  2  wrong command line
  3  refused by the hub (a wrong token, one that is not an operator's)`;

/** Beside what is printed, which may be JSON for another program. */
function complain(command: Command, text: string): void {
  process.stderr.write(`${command.name()}: ${text}\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
