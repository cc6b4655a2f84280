import { WaybillError } from "../../src/protocol/errors";
import { connect, type HubClient } from "../hub-client";
import { FirstAttempt } from "./absence";
import type { HubArguments } from "./arguments";
import { announceConnection } from "./connection-lines";
import { EXIT, type ExitCode } from "./exit-codes";
import type { Mood, Say } from "./say";
import { Screen } from "./screen";

/** The namespace in which parcels are spoken of, also by clients that know nothing but its dialect. */
const NAMESPACE = "/caps";

/** A hub that is there answers sooner, and who has typed `quit` waits. */
const FIRST_ATTEMPT_MS = 3_000;

/** Shorter than the library's: terminals are few, and someone is watching. */
const RECONNECT_DELAY_MAX_MS = 2_000;

/** What a vendor or a driver does at each turn of a terminal's run. */
export interface Role {
  /** Connected for the first time: consume, and start what goes by itself. */
  begin(client: HubClient): Promise<void>;
  onCommand(line: string): void;
  /** Nothing further can be typed, since the pipe that it came through has ended. */
  onInputEnd(): void;
  /** Start nothing new; what is in hand has until the client's closing to finish. */
  stop(): void;
  /** Milliseconds that finishing may take. */
  readonly finishMs: number;
  summary(): string;
  readonly settled: boolean;
}

/** One run of a terminal, from connecting to the summary. */
export class Terminal {
  readonly client: HubClient;
  readonly say: Say;
  private readonly screen = new Screen();
  private readonly label: string;
  private readonly firstAttempt: FirstAttempt;
  private begun = false;
  private stopping = false;
  private refusal: WaybillError | undefined;
  private end: () => void = () => undefined;
  private readonly ended = new Promise<void>((resolve) => (this.end = resolve));
  private hurry: () => void = () => undefined;
  private readonly hurried = new Promise<void>((resolve) => (this.hurry = resolve));

  constructor(
    private readonly name: "vendor" | "driver",
    private readonly clientId: string,
    private readonly hub: HubArguments,
  ) {
    const { colors } = this.screen;
    const hue = name === "vendor" ? colors.cyan : colors.magenta;
    this.label = colors.bold(hue(`${name.toUpperCase()}:`));
    const { url, token } = hub;
    this.client = connect(url, { namespace: NAMESPACE, clientId, token, reconnectDelayMaxMs: RECONNECT_DELAY_MAX_MS });
    this.firstAttempt = new FirstAttempt(this.client);
    this.say = (text, mood) => this.print(this.label, text, mood);
  }

  /** Runs until someone stops it, it is refused, or `stop()` is called. Never rejects for what the hub does. */
  async run(role: Role): Promise<ExitCode> {
    const { client, screen } = this;
    const hubLabel = screen.colors.bold("HUB:");
    announceConnection(client, this.hub.url, (text, mood) => this.print(hubLabel, text, mood));
    client.on("failed", (error) => this.leave(error));
    screen.onInterrupt(() => (this.stopping ? this.hurry() : this.stop()));
    // Not only once connected: whoever waits for the hub may want to leave, or to place what is kept for it.
    screen.open(`${this.name} ${this.clientId}> `, {
      onLine: (line) => role.onCommand(line),
      onEnd: (byHand) => {
        if (byHand) this.stop();
        // Behind a `quit` it says nothing more.
        else if (!this.stopping) role.onInputEnd();
      },
    });
    void this.begin(role);

    await this.ended;
    role.stop();
    const inTime = await Promise.race([this.close(role).then(() => true), this.hurried.then(() => false)]);
    screen.close();
    if (this.refusal)
      process.stderr.write(`${this.name}: the hub refuses ${this.clientId}: ${this.why(this.refusal)}\n`);
    if (this.begun || !this.refusal) this.say(role.summary());
    const code = this.refusal ? EXIT.REFUSED : role.settled ? EXIT.SETTLED : EXIT.UNSETTLED;
    // What was not waited for would keep the process.
    if (!inTime) process.exit(code);
    return code;
  }

  stop(): void {
    this.stopping = true;
    this.end();
  }

  /** Stops because the hub does not let this client do its work. */
  refuse(error: WaybillError): void {
    if (!this.stopping) this.leave(error);
  }

  private leave(error: WaybillError): void {
    this.refusal ??= error;
    this.stop();
  }

  /** What was typed before the hub was found waits for the first attempt to find it, if that does not take long. */
  private async close({ finishMs, settled }: Role): Promise<void> {
    const { client, firstAttempt } = this;
    if (firstAttempt.isUnderWay && !settled) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const enough = new Promise<void>((resolve) => (timer = setTimeout(resolve, FIRST_ATTEMPT_MS)));
      await Promise.race([firstAttempt.outcome, enough]);
      clearTimeout(timer);
    }
    // A hub that is away cannot confirm anything within a few seconds either.
    await client.close({ timeoutMs: client.state === "connected" ? finishMs : 0 });
  }

  private async begin(role: Role): Promise<void> {
    try {
      await this.client.ready();
      if (this.stopping) return;
      this.begun = true;
      await role.begin(this.client);
    } catch (error) {
      if (!(error instanceof WaybillError)) throw error;
      this.refuse(error);
    }
  }

  private why({ code, message }: WaybillError): string {
    const missing = code === "UNAUTHENTICATED" && !this.hub.token;
    return missing ? `${message} (no WAYBILL_TOKEN or --token was given)` : message;
  }

  private print(label: string, text: string, mood: Mood = "plain"): void {
    const { green, yellow, dim } = this.screen.colors;
    const paint = { plain: String, good: green, bad: yellow, quiet: dim }[mood];
    this.screen.print(`${label} ${paint(text)}`);
  }
}
