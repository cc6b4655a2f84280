import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { AckReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { handleCheck, untilIdle } from "../support/leak-check";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { connectStock } from "../support/stock-client";

/**
 * The protocol page is enough to take part in another language: `examples/python/worker.py` was written from it, on
 * Python's own Socket.IO client.
 */
const WORKER = path.join(__dirname, "../../examples/python/worker.py");
const PACKAGES = "python3-socketio and python3-websocket";
const PYTHON = findPython();
const REQUIRED = process.env.CI === "true";
const JOBS = 8;

if (PYTHON === undefined && !REQUIRED) {
  process.stderr.write(`skipped: the test with a Python client needs Debian's ${PACKAGES}, which are not installed\n`);
}

const testWithPython = PYTHON === undefined && !REQUIRED ? test.skip : test;

const checkHandles = handleCheck();
afterEach(stopHubs);
afterEach(() => checkHandles());

testWithPython("a stock Python client consumes, publishes and acks, beside a JavaScript one", async () => {
  if (PYTHON === undefined) throw new Error(`CI needs Debian's ${PACKAGES}`);
  const { url, hub } = await startHub({ graceMs: 50 });
  const { client } = await connectStock(url, { auth: { clientId: "js" } });
  await client.request("consume", { queue: "results", prefetch: JOBS });
  const messages = Array.from({ length: JOBS }, (_, number) => ({
    id: `job-${number}`,
    queue: "jobs",
    event: "double",
    payload: { number, text: "naïve ☃ \u{1F600}" },
  }));
  await client.request<PublishReply>("publish", { messages });

  const worker = spawn(PYTHON, [WORKER, url, "--client", "py", "--count", String(JOBS), "--prefetch", "3"]);
  const ended = outcomeOf(worker);
  const results: Deliver["messages"] = [];
  while (results.length < JOBS) results.push(...(await client.next<Deliver>("deliver", 15_000)).messages);
  const deliveries = results.map(({ id, attempt }) => ({ id, attempt }));
  const acked = await client.request<AckReply>("ack", { queue: "results", deliveries });

  expect(await ended).toEqual({ code: 0, errors: "", output: expect.stringContaining(`${JOBS} jobs done`) });
  expect(results.map(({ id, publisher, payload }) => ({ id, publisher, payload }))).toEqual(
    messages.map(({ id, payload }) => ({
      id: `result-of-${id}`,
      publisher: "py",
      payload: { job: id, by: "python", doubled: payload.number * 2 },
    })),
  );
  expect(acked).toMatchObject({ ok: true, results: deliveries.map(({ id }) => ({ id, status: "acked" })) });
  // The worker acked all it took: nothing comes to the next consumer of its queue, and nothing is held.
  expect(await client.request("consume", { queue: "jobs" })).toMatchObject({ ok: true, ready: 0 });
  client.close();
  await untilIdle(hub);
});

testWithPython("a Python client comes back by itself after a restart of the hub, and works on", async () => {
  if (PYTHON === undefined) throw new Error(`CI needs Debian's ${PACKAGES}`);
  const started = await startHub({ store: sqliteFile() });
  const publish = async (number: number): Promise<void> => {
    const { client } = await connectStock(started.url, { auth: { clientId: "js" } });
    await client.request("publish", { id: `job-${number}`, queue: "jobs", event: "double", payload: { number } });
    await client.request("consume", { queue: "results" });
    const { messages } = await client.next<Deliver>("deliver", 15_000);
    expect(messages).toMatchObject([{ id: `result-of-job-${number}`, payload: { doubled: number * 2 } }]);
    await client.request("ack", { queue: "results", deliveries: messages.map(({ id, attempt }) => ({ id, attempt })) });
    client.close();
  };
  const worker = spawn(PYTHON, [WORKER, started.url, "--client", "py", "--count", "2"]);
  const ended = outcomeOf(worker);

  await publish(1);
  await started.restart();
  await publish(2);

  expect(await ended).toMatchObject({ code: 0, output: expect.stringContaining("2 jobs done") });
});

testWithPython("a refusal reaches a Python client, with its code", async () => {
  if (PYTHON === undefined) throw new Error(`CI needs Debian's ${PACKAGES}`);
  const { url } = await startHub();
  const worker = spawn(PYTHON, [WORKER, url, "--client", "py", "--jobs", "@somebody-else"]);

  expect(await outcomeOf(worker)).toMatchObject({ code: 1, errors: expect.stringContaining("worker: FORBIDDEN") });
});

function findPython(): string | undefined {
  return ["python3", "/usr/bin/python3"].find((python) => {
    try {
      execFileSync(python, ["-c", "import socketio, websocket"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

async function outcomeOf(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: unknown; output: string; errors: string }> {
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, "close")) as [unknown];
  return { code, output, errors };
}
