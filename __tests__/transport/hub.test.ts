import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createHub, type HubOptions } from "../../src/hub";
import { WaybillError } from "../../src/protocol/errors";
import { systemClock } from "../../src/queue/clock";
import { openStore } from "../../src/stores/open-store";
import { readSettings } from "../../src/read-config";
import { rulesWith } from "../support/rules";
import { connectStock } from "../support/stock-client";
import { startHub, stopHubs } from "../support/start-hub";

afterEach(stopHubs);

const memoryStore = () => openStore("memory:", { ...readSettings({}), rules: rulesWith() }, () => {});

describe("GET /healthz", () => {
  it("is ok while the store takes writes", async () => {
    const { url } = await startHub();
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  it("says why it is not", async () => {
    const store = await memoryStore();
    store.probe = () => Promise.reject(new WaybillError("STORE_UNAVAILABLE", "the disk is full"));
    const { url } = await startHub({ store });
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "unavailable", reason: "the disk is full" });
  });

  it("does not wait for a store that does not answer", async () => {
    const store = await memoryStore();
    store.probe = () => new Promise(() => {});
    const { url } = await startHub({ store });
    expect((await fetch(`${url}/healthz`)).status).toBe(503);
  });

  it("is the only page there is, besides Socket.IO's own", async () => {
    const { url } = await startHub();
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${url}/socket.io/socket.io.js`)).status).toBe(200);
  });
});

it("answers with the store's errors, goes on, and closes the store in the end", async () => {
  const store = await memoryStore();
  const failing = jest.spyOn(store, "append").mockRejectedValue(new WaybillError("STORE_UNAVAILABLE", "disk full"));
  const closed = jest.spyOn(store, "close");
  const { url, hub } = await startHub({ store });
  const { client } = await connectStock(url);
  const publish = () => client.request("publish", { queue: "q", event: "e" });
  expect(await publish()).toMatchObject({ ok: false, error: { code: "STORE_UNAVAILABLE", retryable: true } });
  failing.mockRejectedValueOnce(new TypeError("a bug"));
  expect(await publish()).toEqual({
    ok: false,
    error: { code: "INTERNAL", message: expect.not.stringContaining("bug"), retryable: true },
  });
  failing.mockRestore();
  expect(await publish()).toMatchObject({ ok: true });
  await Promise.all([hub.close(), hub.close()]);
  expect(closed).toHaveBeenCalledTimes(1);
});

describe("where it listens", () => {
  it.each(["0.0.0.0", "::", "192.0.2.1", "example.org"])("refuses %s without a secret", async (host) => {
    await expect(createHub({ host, port: 0, store: "memory:" })).rejects.toThrow(
      /HOST\): given ".*WAYBILL_AUTH_SECRET/,
    );
  });

  it("takes any address with one", async () => {
    const { url } = await startHub({ host: "0.0.0.0", authSecret: "a secret of at least thirty-two bytes" });
    expect(url).toMatch(/^http:\/\/localhost:\d+$/);
  });

  it("says so when the port is taken, and leaves nothing open", async () => {
    const { url } = await startHub();
    const store = await memoryStore();
    const closed = jest.spyOn(store, "close");
    const port = Number(new URL(url).port);
    await expect(createHub({ port, store })).rejects.toMatchObject({ code: "EADDRINUSE" });
    expect(closed).toHaveBeenCalled();
  });

  it("closes the store where the rest of it cannot be loaded", async () => {
    const store = await memoryStore();
    const closed = jest.spyOn(store, "close");
    await jest.isolateModulesAsync(async () => {
      jest.doMock("../../src/running-hub", () => {
        throw new Error("it cannot be loaded");
      });
      const isolated = await import("../../src/hub");
      await expect(isolated.createHub({ port: 0, store })).rejects.toThrow("it cannot be loaded");
    });
    jest.dontMock("../../src/running-hub");
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it("refuses a setting that is not allowed before anything is opened", async () => {
    await expect(createHub({ leaseMs: 1, store: "memory:" })).rejects.toThrow("WAYBILL_LEASE_MS");
    await expect(createHub({ store: "nowhere:" })).rejects.toThrow("nowhere:");
  });

  it("calls a setting as the program does, with its variable", async () => {
    await expect(createHub({ leaseMs: 1, store: "memory:" })).rejects.toThrow(
      /^leaseMs \(WAYBILL_LEASE_MS\): given "1"/,
    );
    await expect(createHub({ host: "0.0.0.0", store: "memory:" })).rejects.toThrow(
      'host (HOST): given "0.0.0.0"; allowed: without authSecret (WAYBILL_AUTH_SECRET) only a loopback address',
    );
  });

  it.each([
    [{ prot: 3 }, /no option prot\. Did you mean port\? There are server, .*\bport, host\b/],
    [{ auth: "secret" }, /no option auth\. There are server, /],
    [{ server: {} }, /server must be an HTTP server/],
    [{ server: () => undefined }, /server must be an HTTP server/],
  ])("refuses %j, as a program without types may have it", async (options, message) => {
    await expect(createHub({ ...options, store: "memory:" } as HubOptions)).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringMatching(message) as string,
    });
  });
});

it("lives on an app's own server, and leaves it to the app", async () => {
  const server = createServer((_request, response) => response.end("the app"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const hub = await createHub({ server, store: "memory:", drainMs: 100 });
  expect(hub.url).toBe(`http://127.0.0.1:${port}`);
  const { client } = await connectStock(hub.url, { reconnection: false });
  const ended = client.disconnected();
  expect(await (await fetch(hub.url)).text()).toBe("the app");
  await expect(hub.health()).resolves.toBeUndefined();
  await hub.close();
  expect(await ended).toBe("transport close");
  expect(server.listening).toBe(true);
  expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe("the app");
  expect(await (await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`)).text()).toBe("the app");
  await new Promise((resolve) => server.close(resolve));
});

it("leaves an app's own server to the next hub", async () => {
  const server = createServer((_request, response) => response.end("the app")).listen(0, "127.0.0.1");
  await once(server, "listening");
  for (const clientId of ["first", "second"]) {
    const hub = await createHub({ server, store: "memory:", drainMs: 100 });
    for (const transports of [["websocket"], ["polling"]]) {
      const { client, welcome } = await connectStock(hub.url, { transports, auth: { clientId } });
      expect(welcome).toMatchObject({ hubId: hub.hubId, clientId });
      client.close();
    }
    expect(await (await fetch(hub.url)).text()).toBe("the app");
    await hub.close();
  }
  await new Promise((resolve) => server.close(resolve));
});

it("refuses those who still come through what an app has put around it", async () => {
  const server = createServer((_request, response) => response.end("the app")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const hub = await createHub({ server, store: "memory:", drainMs: 100 });
  const wrapped = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (...args) => wrapped.forEach((listener) => void Reflect.apply(listener, server, args)));
  await hub.close();
  const { port } = server.address() as AddressInfo;
  expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe("the app");
  expect(await statusOf(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`)).toBe(403);
  await new Promise((resolve) => server.close(resolve));
});

it("reads its rules of queues again when asked to, and tells what has changed", async () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "waybill-")), "queues.json");
  const write = (queues: object[]) => writeFileSync(file, JSON.stringify({ queues }));
  write([{ match: "/:q", maxMessages: 1 }]);
  const { url, hub } = await startHub({ queuesFile: file });
  const { client } = await connectStock(url);
  const publish = () => client.request("publish", { queue: "q", event: "e" });
  expect(await publish()).toMatchObject({ ok: true });
  expect(await publish()).toMatchObject({ error: { code: "QUEUE_FULL" } });

  write([{ match: "/:q", maxMessages: 2 }]);
  expect(await hub.reload()).toEqual(["/:q: maxMessages 1 -> 2"]);
  expect(await publish()).toMatchObject({ ok: true });

  write([{ match: "q" }]);
  await expect(hub.reload()).rejects.toThrow(/queues\[0\]\.match/);
  expect(await publish()).toMatchObject({ error: { code: "QUEUE_FULL" } });
  rmSync(path.dirname(file), { recursive: true });
});

it("does not leave connections, sessions or leases behind", async () => {
  const { url, hub } = await startHub({ graceMs: 0 });
  for (let round = 0; round < 5; round++) {
    const { client } = await connectStock(url, { auth: { clientId: "acme" } });
    await client.request("publish", { queue: "q", event: "e" });
    await client.request("consume", { queue: "q" });
    await client.next("deliver");
    client.close();
  }
  const until = systemClock.now() + 5_000;
  const isQuiet = () => Object.values(hub.counts()).every((count) => count === 0);
  while (!isQuiet() && systemClock.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(hub.counts()).toEqual({ held: 0, connections: 0, sessions: 0 });
});

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, (response) => resolve(response.resume().statusCode))
      .on("error", reject)
      .end();
  });
}
