import jwt from "jsonwebtoken";
import { connect, Nack } from "../../clients/hub-client";
import { connectStock } from "../support/stock-client";
import { sqliteFile, startHub, stopHubs } from "../support/start-hub";
import { killTerminals, TerminalProcess } from "../terminals/terminal-process";

afterEach(killTerminals);
afterEach(stopHubs);

const SECRET = "a secret of at least thirty-two bytes";
const token = (claims: object): string => jwt.sign(claims, SECRET);

/** A hub whose queue `driver` has dead letters m-0, m-1 and m-2. */
async function hubWithDeadLetters(options: Parameters<typeof startHub>[0] = {}) {
  const hub = await startHub({ store: sqliteFile(), ...options });
  const auth = options.authSecret ? { token: token({ sub: "d1" }) } : { clientId: "d1" };
  const client = connect(hub.url, { namespace: "/caps", ...auth });
  for (let number = 0; number < 3; number++) {
    await client.publish({ id: `m-${number}`, queue: "driver", event: "pickup", payload: { number } });
  }
  let left = 3;
  await new Promise<void>((resolve, reject) => {
    const refuse = (): never => {
      if (--left === 0) setImmediate(resolve);
      throw new Nack({ dead: true, reason: "no such street" });
    };
    client.consume("driver", refuse).catch(reject);
  });
  await client.close();
  return hub;
}

it("an operator sees why messages died, puts them back and throws them away", async () => {
  const hub = await hubWithDeadLetters();
  const { client } = await connectStock(hub.url, { namespace: "/caps" });
  expect(await client.request("dead", { queue: "driver", limit: "2" })).toMatchObject({
    ok: true,
    queue: "driver",
    total: 3,
    messages: [
      {
        id: "m-0",
        event: "pickup",
        payload: { number: 0 },
        reason: "no such street",
        attempts: 1,
        failures: 1,
        publisher: "d1",
      },
      { id: "m-1" },
    ],
  });
  expect(await client.request("redrive", { queue: "driver", ids: ["m-1"] })).toEqual({
    ok: true,
    queue: "driver",
    redriven: 1,
  });
  await client.request("consume", { queue: "driver" });
  expect(await client.next("deliver")).toMatchObject({ messages: [{ id: "m-1", attempt: 2, redelivered: true }] });
  expect(await client.request("purge", { queue: "driver" })).toEqual({ ok: true, queue: "driver", purged: 2 });
  expect(await client.request("dead", { queue: "driver" })).toMatchObject({ total: 0, messages: [] });
});

it("nobody else does, on a hub with tokens", async () => {
  const hub = await hubWithDeadLetters({ authSecret: SECRET });
  const stranger = await connectStock(hub.url, { namespace: "/caps", auth: { token: token({ sub: "d1" }) } });
  for (const event of ["dead", "redrive", "purge"]) {
    expect(await stranger.client.request(event, { queue: "driver" })).toMatchObject({
      ok: false,
      error: { code: "FORBIDDEN" },
    });
  }
  const operator = await connectStock(hub.url, {
    namespace: "/caps",
    auth: { token: token({ sub: "ops", operator: true }) },
  });
  expect(await operator.client.request("redrive", { queue: "driver" })).toMatchObject({ redriven: 3 });
});

it("the same from a shell: waybill dead list, show, redrive, purge", async () => {
  const hub = await hubWithDeadLetters({ authSecret: SECRET });
  const asOperator = { WAYBILL_URL: hub.url, WAYBILL_TOKEN: token({ sub: "ops", operator: true }) };
  const dead = (args: string, env = asOperator) => new TerminalProcess(`dead ${args}`, env).ended;
  const listed = await dead("list driver");
  expect(listed).toMatchObject({ code: 0, complaints: "" });
  expect(listed.lines).toEqual([
    expect.stringMatching(/pickup {2}m-0 {2}1 attempt: no such street$/),
    expect.stringContaining("m-1"),
    expect.stringContaining("m-2"),
    "3 dead in driver",
  ]);
  const shown = await dead("show driver --id m-2");
  expect(JSON.parse(shown.lines.join(""))).toMatchObject({ id: "m-2", payload: { number: 2 } });
  expect((await dead("redrive driver --id m-0")).lines).toEqual(["1 put back in driver"]);
  expect(await dead("purge driver")).toMatchObject({
    code: 2,
    complaints: "waybill dead: purge needs either --id or --all (see waybill dead --help)\n",
  });
  expect((await dead("purge driver --all")).lines).toEqual(["2 thrown away from driver"]);
  const stranger = { ...asOperator, WAYBILL_TOKEN: token({ sub: "d1" }) };
  expect(await dead("list driver", stranger)).toMatchObject({
    code: 3,
    complaints: "waybill dead: FORBIDDEN: d1 is not an operator.\n",
  });
  const liar = { ...asOperator, WAYBILL_TOKEN: "not a token" };
  expect(await dead("list driver", liar)).toMatchObject({ code: 3, complaints: expect.stringContaining("token") });
}, 60_000);

it("waybill dead finds a message beyond the first page, shows no control characters, and says what is not there", async () => {
  const hub = await startHub();
  const client = connect(hub.url, { namespace: "/caps", clientId: "d1" });
  const queue = "driver";
  const ids = Array.from({ length: 120 }, (_, number) => `m-${number}`);
  await Promise.all(ids.map((id) => client.publish({ id, queue, event: "pickup\u00a0", payload: id })));
  await new Promise<void>((resolve, reject) => {
    let left = ids.length;
    const refuse = (): never => {
      if (--left === 0) setImmediate(resolve);
      throw new Nack({ dead: true, reason: "away\u001b[2J" });
    };
    client.consume(queue, refuse).catch(reject);
  });
  await client.close();
  // A slash at the end, as browsers write addresses.
  const dead = (args: string) => new TerminalProcess(`dead ${args} --url ${hub.url}/`).ended;
  const shown = await dead("show driver --id m-119");
  expect(JSON.parse(shown.lines.join(""))).toMatchObject({ id: "m-119", payload: "m-119" });
  const listed = await dead("list driver --limit 1");
  expect(listed.lines).toEqual([expect.stringMatching(/m-0 {2}1 attempt: away$/), "120 dead in driver, 1 shown"]);
  expect(await dead("show driver --id m-120")).toMatchObject({
    code: 1,
    complaints: "waybill dead: no dead letter m-120 in driver\n",
  });
  await hub.stop();
  expect(await dead("list driver")).toMatchObject({
    code: 1,
    complaints: `waybill dead: no hub at ${hub.url}/ (ECONNREFUSED)\n`,
  });
}, 60_000);
