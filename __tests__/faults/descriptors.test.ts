import path from "node:path";
import type { ConsumeReply, Deliver, PublishReply } from "../../src/protocol/wire";
import { compileProgram, removeCompiled } from "../support/compiled";
import { HubProcess, stopHubProcesses, temporaryFolder } from "../support/hub-process";
import { closeStockClients, StockClient } from "../support/stock-client";

const QUEUE = "driver";
/** Enough for the hub itself and some connections. */
const DESCRIPTORS = 64;
const GIVE_UP_MS = 2_000;

afterEach(async () => {
  closeStockClients();
  await stopHubProcesses();
});
afterAll(removeCompiled);

/** @returns whether the hub let it in. */
function isWelcomed(client: StockClient): Promise<boolean> {
  return client.next("welcome", GIVE_UP_MS).then(
    () => true,
    () => false,
  );
}

function connectAs(url: string, clientId: string): StockClient {
  return new StockClient(url, { auth: { clientId }, reconnection: false });
}

async function publish(client: StockClient, id: string): Promise<PublishReply> {
  return client.request<PublishReply>("publish", { id, queue: QUEUE, event: "pickup" });
}

test("out of file descriptors, the hub lets nobody else in, goes on with whom it has, and loses nothing", async () => {
  const compiled = compileProgram();
  const cwd = temporaryFolder();
  const store = path.join(cwd, "waybill.db");
  const hub = new HubProcess({
    compiled,
    cwd,
    flags: ["--port", "0", "--store", `sqlite:${store}`],
    wrapper: ["sh", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "sh"],
  });
  const url = await hub.url();
  const clients: StockClient[] = [];
  for (;;) {
    const client = connectAs(url, `client-${clients.length}`);
    if (!(await isWelcomed(client))) {
      client.close();
      break;
    }
    clients.push(client);
    expect(clients.length).toBeLessThan(DESCRIPTORS);
  }
  const [first, second, ...others] = clients;
  if (first === undefined || second === undefined) throw new Error("nobody was let in");

  // Who is in notices nothing, the disk included.
  const confirmed: string[] = [];
  for (let number = 0; number < 50; number++) {
    expect(await publish(first, `order-${number}`)).toMatchObject({ ok: true, results: [{ status: "stored" }] });
    confirmed.push(`order-${number}`);
  }
  expect(await isWelcomed(connectAs(url, "late"))).toBe(false);

  // Some leave, and there is room again.
  const left = others.slice(0, 5);
  const gone = left.map((client) => client.disconnected());
  for (const client of left) client.close();
  await Promise.all(gone);
  // As any client does, it tries again until it is let in.
  const next = new StockClient(url, { auth: { clientId: "next" } });
  await next.next("welcome");
  expect(await next.request<ConsumeReply>("consume", { queue: QUEUE, prefetch: 100 })).toMatchObject({ ok: true });
  const heard = new Set<string>();
  while (heard.size < confirmed.length) {
    for (const { id } of (await next.next<Deliver>("deliver")).messages) heard.add(id);
  }
  expect([...heard].sort()).toEqual([...confirmed].sort());
  hub.signal("SIGTERM");
  closeStockClients();
  expect(await hub.exited).toEqual({ code: 0, signal: null });
}, 60_000);
