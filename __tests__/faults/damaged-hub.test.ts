import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { connect } from "../../clients/hub-client";
import { queueAddress } from "../../src/queue/message";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { compileProgram, removeCompiled } from "../support/compiled";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { rulesWith } from "../support/rules";
import { connectStock, closeStockClients } from "../support/stock-client";
import { flipBit } from "./damaged-file";

/** As the hub's own page says. */
const DAMAGED = 65;
const LOSSES = 3;

let compiled = "";
beforeAll(() => {
  compiled = compileProgram();
}, 60_000);
afterAll(removeCompiled);
afterEach(async () => {
  closeStockClients();
  await stopHubProcesses();
});

/** A store with these messages in one queue, stopped in order. */
async function storeWith(payloads: readonly string[]): Promise<string> {
  const file = path.join(temporaryFolder(), "waybill.db");
  const store = await openStore(`sqlite:${file}`, { ...readSettings({}), rules: rulesWith() }, () => {});
  for (const [index, payload] of payloads.entries()) {
    await store.append([
      {
        target: queueAddress("/", "driver"),
        id: `order-${index}`,
        event: "pickup",
        payload: JSON.stringify(payload),
        priority: 4,
        group: undefined,
        headers: undefined,
        publisher: "shop",
        publishedAt: Date.now(),
        dueAt: undefined,
        isDueFixed: false,
        expiresAt: undefined,
      },
    ]);
  }
  await store.close();
  return file;
}

function startHub(file: string): HubProcess {
  return new HubProcess({ compiled, flags: ["--port", "0", "--store", `sqlite:${file}`] });
}

test("a file that was cut off is refused with the way out, which saves the rest", async () => {
  const file = await storeWith(Array.from({ length: 200 }, (_, number) => `parcel ${number} ${"x".repeat(200)}`));
  fs.truncateSync(file, fs.statSync(file).size - 3 * 4096);
  const before = fs.readFileSync(file);

  const hub = startHub(file);
  expect(await hub.exited).toEqual({ code: DAMAGED, signal: null });
  const [line = ""] = hub.output.trim().split("\n");
  expect(hub.output.trim()).toBe(line);
  expect(line).toMatch(/waybill.db is damaged: it was cut off: 12288 of its \d+ bytes are missing/);
  expect(line).toContain(`waybill salvage ${file} <new file>`);
  expect(fs.readFileSync(file).equals(before)).toBe(true);

  const saved = path.join(path.dirname(file), "saved.db");
  const salvage = spawnSync(process.execPath, [path.join(compiled, "bin", "waybill.js"), "salvage", file, saved]);
  expect(salvage.status).toBe(LOSSES);
  const told = salvage.stdout.toString();
  const [, kept] = /saved to .*: (\d+) messages/.exec(told) ?? [];
  expect(told).toMatch(/lost in \/:driver|unreadable: an unknown number of messages/);

  const second = startHub(saved);
  const client = connect(await second.url(), { clientId: "d1" });
  const heard: string[] = [];
  await new Promise<void>((resolve) => {
    void client.consume("driver", (message) => {
      heard.push(message.id);
      if (heard.length === Number(kept)) resolve();
    });
  });
  await client.close();
  expect(Number(kept)).toBeGreaterThan(100);
  expect(new Set(heard).size).toBe(Number(kept));
}, 60_000);

test("a message damaged on the disk is never delivered: the hub refuses everything and ends", async () => {
  const large = "y".repeat(900_000);
  const file = await storeWith(Array.from({ length: 25 }, () => large));
  // In the middle of the payload of a message that is read when its turn comes: the file is too large to be read before.
  flipBit(file, Math.floor(fs.statSync(file).size / 2), 3);

  const hub = startHub(file);
  const url = await hub.url();
  const { client } = await connectStock(url, { auth: { clientId: "d1" }, reconnection: false });
  const ended = client.disconnected();
  void client.request("consume", { queue: "driver", prefetch: 100 }).catch(() => undefined);
  expect(await hub.exited).toEqual({ code: DAMAGED, signal: null });
  await ended;
  expect(hub.output).toMatch(/the store is lost: .*waybill.db is damaged: .*waybill salvage/);
  const delivered = client.received.filter(({ event }) => event === "deliver");
  for (const { argument } of delivered) {
    for (const { payload } of (argument as { messages: { payload: string }[] }).messages) expect(payload).toBe(large);
  }

  const saved = path.join(path.dirname(file), "saved.db");
  const cli = path.join(compiled, "bin", "waybill.js");
  const salvage = spawnSync(process.execPath, [cli, "salvage", file, saved]);
  expect(salvage.stdout.toString()).toMatch(/saved to .*: 24 messages/);
  expect(salvage.stdout.toString()).toMatch(/lost in \/:driver: 1 messages?: seq \d+\n/);
  expect(salvage.status).toBe(LOSSES);
}, 60_000);

test("damage in a large file is found a moment after the start, also where nobody reads", async () => {
  const file = await storeWith(Array.from({ length: 25 }, () => "z".repeat(900_000)));
  flipBit(file, Math.floor(fs.statSync(file).size / 3), 6);
  const hub = startHub(file);
  await hub.url();
  expect(await hub.exited).toEqual({ code: DAMAGED, signal: null });
  expect(hub.output).toMatch(
    /the store is lost: .*waybill.db is damaged: page \d+, of messages, holds what was not stored/,
  );
}, 60_000);

test("a file in use is not salvaged, nor is one written over", async () => {
  const file = await storeWith(["one"]);
  const cli = path.join(compiled, "bin", "waybill.js");
  const hub = startHub(file);
  await hub.url();
  const inUse = spawnSync(process.execPath, [cli, "salvage", file, `${file}.new`]);
  expect(inUse.stderr.toString()).toBe(`waybill salvage: ${file} is in use: stop its hub first\n`);
  expect(inUse.status).toBe(1);
  hub.signal("SIGTERM");
  expect(await hub.exited).toEqual({ code: 0, signal: null });

  const there = spawnSync(process.execPath, [cli, "salvage", file, file]);
  expect(there.stderr.toString()).toBe(`waybill salvage: ${file} is there already\n`);
  const whole = execFileSync(process.execPath, [cli, "salvage", file, `${file}.new`]).toString();
  expect(whole).toMatch(/^saved to .*: 1 message, .*\nnothing was lost\n$/);
  const folder = path.dirname(file);
  expect(fs.readdirSync(folder).filter((name) => name.endsWith("-wal") || name.endsWith("-shm"))).toEqual([]);

  const missing = spawnSync(process.execPath, [cli, "salvage", `${file}-nope`, `${file}.newer`]);
  expect(missing.stderr.toString()).toBe(`waybill salvage: there is no file ${file}-nope\n`);
  const text = path.join(folder, "notes.txt");
  fs.writeFileSync(text, "milk, eggs");
  const nothing = spawnSync(process.execPath, [cli, "salvage", text, `${file}.newer`]);
  expect({ out: nothing.stdout.toString(), complaints: nothing.stderr.toString(), status: nothing.status }).toEqual({
    out: "",
    complaints: `waybill salvage: nothing could be saved from ${text}: it is no store, and nothing in it is of one\n`,
    status: 1,
  });
  expect(fs.readdirSync(folder).filter((name) => name.includes("newer"))).toEqual([]);
}, 60_000);
