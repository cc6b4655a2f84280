import fs from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { connect } from "../../clients/hub-client";
import { WaybillError } from "../../src/protocol/errors";
import type { Store } from "../../src/queue/store";
import { queueAddress } from "../../src/queue/message";
import { readSettings } from "../../src/read-config";
import { openStore } from "../../src/stores/open-store";
import { examine } from "../../src/stores/sqlite/examination";
import { migrate, SCHEMA_VERSION } from "../../src/stores/sqlite/schema";
import { message } from "../conformance/store-in-suite";
import { rulesWith } from "../support/rules";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { StockClient } from "../support/stock-client";

afterEach(stopHubs);

function open(url: string): Promise<Store> {
  return openStore(url, { ...readSettings({}), rules: rulesWith() }, () => {});
}

describe("a store's file", () => {
  test("is one hub's at a time: a second one is told so, and the first goes on", async () => {
    const store = sqliteFile();
    const hub = await startHub({ store });
    await expect(startHub({ store })).rejects.toThrow(/cannot be used: another hub has it open/);
    const client = connect(hub.url, { clientId: "acme" });
    await expect(client.publish({ queue: "driver", event: "pickup" })).resolves.toMatchObject({
      status: "stored",
      durability: "disk",
    });
    await client.close();
  });

  test("of another program is left alone", async () => {
    const url = sqliteFile();
    const file = url.slice("sqlite:".length);
    const other = new Database(file);
    other.exec("CREATE TABLE letters (id INTEGER)");
    other.close();
    await expect(open(url)).rejects.toThrow(/it is a database of another program/);
  });

  test("of an older version is brought up to this one, with what is in it", async () => {
    const url = sqliteFile();
    const file = url.slice("sqlite:".length);
    const made = new Database(file);
    migrate(made, 1);
    made.exec("INSERT INTO queues (no, address, creator) VALUES (1, '/:driver', 'acme')");
    made.exec("INSERT INTO ids_0 (queue, id, seq) VALUES (1, 'pickup-1', 17)");
    made.exec("UPDATE meta SET value = 17 WHERE key = 'last_seq'");
    made.close();
    expect(examine(file)).toEqual({ faults: [], isComplete: true });
    const store = await open(url);
    const driver = queueAddress("/", "driver");
    expect(await store.stats(driver)).toMatchObject({ ready: 0, dead: 0 });
    expect(await store.append([message("pickup-1", { target: driver })])).toEqual([{ status: "duplicate", seq: 17 }]);
    await store.close();
    const now = new Database(file, { readonly: true });
    expect(now.pragma("user_version", { simple: true })).toBe(SCHEMA_VERSION);
    now.close();
    expect(examine(file)).toEqual({ faults: [], isComplete: true });
  });

  test("of a newer version is left alone", async () => {
    const url = sqliteFile();
    await (await open(url)).close();
    const file = new Database(url.slice("sqlite:".length));
    file.pragma("user_version = 99");
    file.close();
    await expect(open(url)).rejects.toThrow(/schema is version 99.*use a newer Waybill/);
  });

  test("that is no database is named in the error", async () => {
    const url = sqliteFile();
    const file = url.slice("sqlite:".length);
    fs.writeFileSync(file, "not a database, and long enough to be read as one: ".repeat(100));
    await expect(open(url)).rejects.toThrow(`${path.basename(file)} cannot be used: file is not a database`);
  });

  test("that is a folder, or in a place that is none, is named in the error", async () => {
    const url = sqliteFile();
    const file = url.slice("sqlite:".length);
    await expect(open(`sqlite:${path.dirname(file)}`)).rejects.toThrow(
      `${path.dirname(file)} cannot be used: it is a folder`,
    );
    fs.writeFileSync(file, "");
    await expect(open(`sqlite:${file}/below.db`)).rejects.toThrow(`${file}/below.db cannot be used: `);
  });

  test.each(["", "sqlite:", "postgres://x", "memory:x"])("%j names no store", async (url) => {
    await expect(open(url)).rejects.toThrow(/names no store/);
  });
});

describe("a store that fails", () => {
  /** Fails the writes of a real store while `failing`. */
  async function brittleStore(): Promise<{ store: Store; fault: { failing: boolean } }> {
    const real = await open("memory:");
    const fault = { failing: false };
    const unlessFailing =
      <Arguments extends unknown[], Result>(method: (...given: Arguments) => Promise<Result>) =>
      (...given: Arguments): Promise<Result> =>
        fault.failing
          ? Promise.reject(new WaybillError("STORE_UNAVAILABLE", "The disk is on fire."))
          : method.apply(real, given);
    const store: Store = {
      durability: real.durability,
      append: unlessFailing(real.append),
      lease: real.lease.bind(real),
      settle: unlessFailing(real.settle),
      expire: real.expire.bind(real),
      moveDeadlines: real.moveDeadlines.bind(real),
      trace: real.trace.bind(real),
      join: unlessFailing(real.join),
      leave: unlessFailing(real.leave),
      stats: real.stats.bind(real),
      deadLetters: real.deadLetters.bind(real),
      redrive: unlessFailing(real.redrive),
      purge: unlessFailing(real.purge),
      onHint: real.onHint.bind(real),
      probe: unlessFailing(real.probe),
      close: real.close.bind(real),
    };
    return { store, fault };
  }

  test("is an error to publishers and acks, changes nothing, and is over when it is over", async () => {
    const { store, fault } = await brittleStore();
    const hub = await startHub({ store });
    const client = new StockClient(hub.url, { auth: { clientId: "d1" } });
    const ask = async (event: string, argument: object): Promise<unknown> =>
      client.socket.timeout(2_000).emitWithAck(event, argument);
    await client.next("welcome");
    await ask("publish", { id: "a", queue: "driver", event: "pickup" });
    await ask("consume", { queue: "driver" });
    await client.next("deliver");

    fault.failing = true;
    const refused = { ok: false, error: { code: "STORE_UNAVAILABLE", retryable: true } };
    expect(await ask("publish", { id: "b", queue: "driver", event: "pickup" })).toMatchObject(refused);
    expect(await ask("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] })).toMatchObject(refused);
    expect(await ask("join", { room: "north" })).toMatchObject(refused);
    await expect(hub.hub.health()).rejects.toThrow("The disk is on fire.");
    expect((await fetch(`${hub.url}/healthz`)).status).toBe(503);

    fault.failing = false;
    expect(await ask("ack", { queue: "driver", deliveries: [{ id: "a", attempt: 1 }] })).toMatchObject({
      results: [{ id: "a", status: "acked" }],
    });
    expect(await ask("publish", { id: "b", queue: "driver", event: "pickup" })).toMatchObject({
      results: [{ status: "stored" }],
    });
    expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
  });
});
