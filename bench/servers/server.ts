/** A server under measurement: started by the bench on loopback and a free port, in a folder of its own, and stopped by it. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { Child } from "../processes/child";

export interface Server {
  readonly url: string;
  /** Its first process; what that started counts as well. */
  readonly pid: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** What is said where a server is not installed, or too old: its systems are left out of the run. */
export class Missing extends Error {}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** One of the bench's own processes, from `processes/`, that answers with its `url` when it listens. */
export async function startOwn(file: string, settings: object, version: string): Promise<Server & { child: Child }> {
  const child = await Child.start(file, settings);
  const { url } = child.ready as { url: string };
  return { url, pid: child.pid, version, child, stop: () => child.stop() };
}

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly folder: string;
}

/**
 * A program of the machine. Its output goes to `output.txt` in its folder.
 *
 * @returns when it takes connections on the port.
 * @throws Error with the end of its output when it does not come up.
 */
export async function startProgram(
  { command, args, env, folder }: Program,
  port: number,
): Promise<Omit<Server, "url" | "version">> {
  const output = path.join(folder, "output.txt");
  const log = fs.openSync(output, "a");
  // A process group of its own: a Ctrl-C is the bench's to handle, in order.
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", log, log],
    detached: true,
  });
  fs.closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} could not be started`);
  const kill = (): boolean => process.kill(-pid, "SIGKILL");
  // However the bench ends, nothing stays behind.
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const stop = (): Promise<void> => stopGroup(child, kill);
  const until = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      await stop();
      throw new Error(`${command} did not come up:\n${fs.readFileSync(output, "utf8").slice(-2_000)}`);
    }
  }
  return { pid, stop };
}

/** Ends a process in order; what is left of its group after a while, at once. */
async function stopGroup(child: ChildProcess, kill: () => boolean): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(kill, STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

/** Whether somebody listens; takes a moment either way. */
async function accepts(port: number): Promise<boolean> {
  const open = await new Promise<boolean>((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    socket.once("connect", () => socket.end());
  });
  if (!open) await new Promise((resolve) => setTimeout(resolve, 50));
  return open;
}

/** A port that nobody has. Another program could take it before the server does; then the start fails and says so. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port to be had");
  return address.port;
}

/**
 * What a program says of its version: the first `1.2.3` in its output.
 *
 * @throws Missing when there is no such program.
 */
export function versionOf(command: string, args: readonly string[]): string {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (error) throw new Missing(`${command} is not installed`);
  return /\d+\.\d+(\.\d+)?/.exec(stdout + stderr)?.[0] ?? "?";
}

/** The version of an npm package that this repository has installed, or its own. */
export function packageVersion(name?: string): string {
  const root = path.join(__dirname, "../../..");
  // Found by its folder: a package need not export its package.json.
  const file = path.join(name === undefined ? root : path.join(root, "node_modules", name), "package.json");
  const { version } = JSON.parse(fs.readFileSync(file, "utf8")) as { version: string };
  return version;
}
