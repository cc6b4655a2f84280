import jwt from "jsonwebtoken";
import { connect } from "../../clients/hub-client";
import { connectRefused, connectStock, StockClient } from "../support/stock-client";
import { startHub, stopHubs } from "../support/start-hub";

afterEach(stopHubs);

const SECRET = "a secret of at least thirty-two bytes";
const token = (claims: object, options: jwt.SignOptions = {}) => jwt.sign(claims, SECRET, options);

describe("a hub without a secret", () => {
  it("welcomes first, with all that a client needs to know", async () => {
    const { url, hub } = await startHub();
    const { client, welcome } = await connectStock(url, { auth: { clientId: "acme" } });
    expect(welcome).toEqual({
      protocol: 1,
      hubId: hub.hubId,
      clientId: "acme",
      session: expect.any(String),
      resumed: false,
      durability: "memory",
      limits: { maxPayloadBytes: 1_048_576, maxBatch: 1000, maxPacketBytes: 4_194_304, maxPrefetch: 10_000 },
    });
    await client.request("consume");
    expect(client.received[0]?.event).toBe("welcome");
  });

  it("takes a request that was sent before the welcome came", async () => {
    const { url } = await startHub();
    const client = new StockClient(url, { auth: { clientId: "acme" } });
    expect(await client.request("consume")).toEqual({ ok: true, queue: "@acme", ready: 0 });
  });

  it("makes up a name for a client that states none", async () => {
    const { url } = await startHub();
    const { welcome: first } = await connectStock(url);
    const { welcome: second } = await connectStock(url, { auth: { clientId: "" } });
    expect(first.clientId).toMatch(/^anon-[0-9a-f]{12}$/);
    expect(second.clientId).toMatch(/^anon-/);
    expect(second.clientId).not.toBe(first.clientId);
  });

  it("works over long polling too", async () => {
    const { url } = await startHub();
    const { client, welcome } = await connectStock(url, { transports: ["polling"], auth: { clientId: "acme" } });
    expect(welcome).toMatchObject({ clientId: "acme" });
    expect(await client.request("cancel")).toEqual({ ok: true, queue: "@acme" });
  });

  it("goes on over a WebSocket when a client that began with polling upgrades", async () => {
    const { url } = await startHub();
    const { client } = await connectStock(url, { transports: ["polling", "websocket"], auth: { clientId: "acme" } });
    const { engine } = client.socket.io;
    if (engine.transport.name === "polling") await new Promise((resolve) => engine.once("upgrade", resolve));
    expect(engine.transport.name).toBe("websocket");
    expect(await client.request("cancel")).toEqual({ ok: true, queue: "@acme" });
  });

  it.each([
    [{ clientId: 7 }],
    [{ clientId: "a:b" }],
    [{ clientId: "@a" }],
    [{ clientId: "x".repeat(200) }],
    [{ session: {} }],
  ])("refuses the handshake %j", async (auth) => {
    const { url } = await startHub();
    const { message, data } = await connectRefused(url, { auth });
    expect(data).toEqual({ code: expect.stringMatching(/^(INVALID|TOO_LARGE)$/), message, retryable: false });
  });

  it("knows the namespaces of its settings only, and no client makes another", async () => {
    const { url } = await startHub({ namespaces: ["/orders"] });
    await connectStock(url, { namespace: "/orders" });
    expect((await connectRefused(url, { namespace: "/elsewhere" })).message).toBe("Invalid namespace");
    expect((await connectRefused(url, { namespace: "/_0" })).message).toBe("Invalid namespace");
    expect((await connectRefused(url, { namespace: "/" })).data).toMatchObject({ code: "FORBIDDEN" });
  });

  it("limits the connections of one client, and no other's", async () => {
    const { url } = await startHub({ maxConnectionsPerClient: 2 });
    const { client } = await connectStock(url, { auth: { clientId: "acme" } });
    await connectStock(url, { auth: { clientId: "acme" } });
    expect((await connectRefused(url, { auth: { clientId: "acme" } })).data).toMatchObject({ code: "LIMIT_REACHED" });
    await connectStock(url, { auth: { clientId: "other" } });
    client.close();
    const again = new StockClient(url, { auth: { clientId: "acme" }, reconnection: false });
    again.socket.on("connect_error", () => again.socket.connect());
    await again.next("welcome");
  });

  it("keeps web pages of other origins out, and lets those of this machine in", async () => {
    const { url } = await startHub({ origins: ["https://shop.example"] });
    const from = (origin: string) => ({ extraHeaders: { origin }, reconnection: false });
    await connectStock(url, from("http://localhost:8080"));
    await connectStock(url, from("http://[::1]"));
    await connectStock(url, from("https://shop.example"));
    for (const origin of ["https://evil.example", "http://127.0.0.1.evil.example", "null"]) {
      for (const transports of [["websocket"], ["polling"]]) {
        await expect(connectRefused(url, { ...from(origin), transports })).resolves.toBeInstanceOf(Error);
      }
    }
  });
});

describe("a hub with a secret", () => {
  const start = () => startHub({ authSecret: SECRET });
  const unsigned = `${base64url({ alg: "none", typ: "JWT" })}.${base64url({ sub: "acme" })}.`;

  it.each([
    ["no token", undefined],
    ["an empty one", ""],
    ["no JWT", "letmein"],
    ["another secret's", jwt.sign({ sub: "acme" }, "another secret of thirty-two bytes!!")],
    ["an expired one", token({ sub: "acme", exp: 1_000_000_000 })],
    ["one that is not valid yet", token({ sub: "acme", nbf: 4_000_000_000 })],
    ["an unsigned one", unsigned],
    ["another algorithm's", token({ sub: "acme" }, { algorithm: "HS512" })],
    ["one without a subject", token({})],
    ["one whose subject is no name", token({ sub: "a:b" })],
    ["one whose lists are no lists", token({ sub: "acme", publish: "driver" })],
    ["one whose operator is no boolean", token({ sub: "acme", operator: "true" })],
  ])("refuses %s", async (_what, given) => {
    const { url } = await start();
    const { message, data } = await connectRefused(url, { auth: { token: given } });
    expect(data).toEqual({ code: "UNAUTHENTICATED", message, retryable: false });
  });

  it("takes the client's name from the token, and no other", async () => {
    const { url } = await start();
    const acme = token({ sub: "acme" });
    expect((await connectStock(url, { auth: { token: acme } })).welcome).toMatchObject({ clientId: "acme" });
    expect((await connectStock(url, { auth: { token: acme, clientId: "acme" } })).welcome).toMatchObject({
      clientId: "acme",
    });
    const { data } = await connectRefused(url, { auth: { token: acme, clientId: "other" } });
    expect(data).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  it("holds a client to its token's lists", async () => {
    const { url } = await start();
    const claims = { sub: "acme", publish: ["driver", "room:north-*"], consume: ["jobs-*"], join: ["north-*"] };
    const { client } = await connectStock(url, { auth: { token: token(claims) } });
    const codeOf = async (event: string, argument: object) => {
      const reply = await client.request<{ ok: boolean; error?: { code: string } }>(event, argument);
      return reply.ok ? "ok" : reply.error?.code;
    };
    expect(await codeOf("publish", { queue: "driver", event: "e" })).toBe("ok");
    expect(await codeOf("publish", { room: "north-1", event: "e" })).toBe("ok");
    expect(await codeOf("publish", { room: "south", event: "e" })).toBe("FORBIDDEN");
    expect(await codeOf("publish", { client: "other", event: "e" })).toBe("FORBIDDEN");
    expect(await codeOf("consume", {})).toBe("ok");
    expect(await codeOf("consume", { queue: "jobs-1" })).toBe("ok");
    expect(await codeOf("consume", { queue: "driver" })).toBe("FORBIDDEN");
    expect(await codeOf("consume", { queue: "@other" })).toBe("FORBIDDEN");
    expect(await codeOf("join", { room: "north-1" })).toBe("ok");
    expect(await codeOf("join", { room: "south" })).toBe("FORBIDDEN");
    expect(await codeOf("join", { room: "north-1", client: "other" })).toBe("FORBIDDEN");
  });

  it("lets those put others in rooms whose token says so", async () => {
    const { url } = await start();
    const { client } = await connectStock(url, { auth: { token: token({ sub: "host", invite: ["north"] }) } });
    expect(await client.request("join", { room: "north", client: "guest" })).toEqual({
      ok: true,
      room: "north",
      members: 1,
    });
    expect(await client.request("join", { room: "south", client: "guest" })).toMatchObject({
      error: { code: "FORBIDDEN" },
    });
    const { client: operator } = await connectStock(url, { auth: { token: token({ sub: "op", operator: true }) } });
    expect(await operator.request("leave", { room: "north", client: "guest" })).toEqual({
      ok: true,
      room: "north",
      members: 0,
    });
  });

  it("opens only the namespaces that a token names", async () => {
    const { url } = await start();
    const auth = { token: token({ sub: "acme", namespaces: ["/c*"] }) };
    await connectStock(url, { namespace: "/caps", auth });
    expect((await connectRefused(url, { auth })).data).toMatchObject({ code: "FORBIDDEN" });
  });

  it("ends a connection when its token expires, so that a client with another one comes back by itself", async () => {
    const { url } = await start();
    let lifetime = 1;
    const { client } = await connectStock(url, {
      auth: (send) => send({ token: token({ sub: "acme" }, { expiresIn: lifetime }) }),
    });
    lifetime = 3600;
    expect(await client.next("refused")).toMatchObject({ event: "connect", error: { code: "UNAUTHENTICATED" } });
    expect(await client.next("welcome")).toMatchObject({ clientId: "acme" });
  });

  it("is not troubled by an expiry further off than a timer reaches", async () => {
    const { url } = await start();
    const { client } = await connectStock(url, { auth: { token: token({ sub: "acme", exp: 9_999_999_999_999 }) } });
    expect(await client.request("cancel")).toMatchObject({ ok: true });
    expect(client.received.map(({ event }) => event)).toEqual(["welcome"]);
  });
});

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

test("a client's limit of connections holds for those that become it by the dialect, too", async () => {
  const { url } = await startHub({ maxConnectionsPerClient: 2 });
  const join = async () => (await connectStock(url, { namespace: "/caps" })).client.request("join", "acme");
  expect(await join()).toMatchObject({ ok: true });
  expect(await join()).toMatchObject({ ok: true });
  expect(await join()).toMatchObject({ ok: false, error: { code: "LIMIT_REACHED" } });
});

test("a client of the library with a source of tokens outlives each of them", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  let signed = 0;
  const client = connect(url, {
    reconnectDelayMs: 5,
    token: () => token({ sub: "acme", jti: `${++signed}`, exp: Math.floor(Date.now() / 1000) + 2 }),
  });
  const { session } = await client.ready();
  await new Promise<void>((resolve) => client.on("disconnected", () => resolve()));
  expect(await client.publish({ queue: "driver", event: "pickup" })).toMatchObject({ status: "stored" });
  expect(signed).toBeGreaterThan(1);
  expect(client.welcome?.session).not.toBe(session);
  await client.close();
});
