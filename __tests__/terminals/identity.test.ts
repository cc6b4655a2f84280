import { startHub, stopHubs } from "../support/start-hub";
import { killTerminals, TerminalProcess } from "./terminal-process";

// Each terminal is a process that compiles itself first.
jest.setTimeout(60_000);

afterEach(killTerminals);
afterEach(stopHubs);

const SECRET = "a secret for tests, of 32 bytes or more";

async function token(args: string): Promise<string> {
  const { code, lines } = await new TerminalProcess(`token ${args}`, { WAYBILL_AUTH_SECRET: SECRET }).ended;
  expect({ code, lines: lines.length }).toEqual({ code: 0, lines: 1 });
  return lines[0] ?? "";
}

test.each(["vendor acme", "driver d1"])(
  "%s with a wrong token stops with one line and exit code 3",
  async (command) => {
    const { url } = await startHub({ authSecret: SECRET });
    const { code, lines, complaints } = await new TerminalProcess(`${command} --url ${url} --token nonsense`).ended;
    expect({ code, lines }).toEqual({ code: 3, lines: [] });
    expect(complaints).toMatch(/^(vendor|driver): the hub refuses (acme|d1): .+\n$/);
  },
);

test("one that is told to quit before it was connected says all the same that it is refused", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  const vendor = new TerminalProcess(`vendor acme --every off --url ${url} --token nonsense`);
  vendor.type("order Jamal Braun, Schmittfort LA");
  vendor.type("quit");
  const { code, complaints } = await vendor.ended;
  expect(code).toBe(3);
  expect(complaints).toMatch(/^vendor: the hub refuses acme: .+\n$/);
});

test("a hub without the namespace of parcels is named, and the namespace", async () => {
  const { url } = await startHub({ namespaces: ["/"] });
  const { code, complaints } = await new TerminalProcess(`driver d1 --url ${url}`).ended;
  expect({ code, complaints }).toEqual({
    code: 3,
    complaints: `driver: the hub refuses d1: The hub at ${url} has no namespace /caps.\n`,
  });
});

test("without a token it is told where one is looked for", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  const { code, complaints } = await new TerminalProcess(`vendor acme --url ${url}`).ended;
  expect(code).toBe(3);
  expect(complaints).toMatch(/^vendor: the hub refuses acme: .+ \(no WAYBILL_TOKEN or --token was given\)\n$/);
});

test("a token that `waybill token` signed opens the hub", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  const vendor = new TerminalProcess("vendor acme --every off", {
    WAYBILL_URL: url,
    WAYBILL_TOKEN: await token("acme --expires 1h --publish driver --consume= --join= --namespaces /caps"),
  });
  vendor.type("order Jamal Braun, Schmittfort LA");
  await vendor.line(/^VENDOR: order confirmed/);
  expect((await vendor.interrupt()).code).toBe(0);
});

test("a driver that may not consume is refused", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  const given = await token("d1 --consume other");
  const { code, complaints } = await new TerminalProcess(`driver d1 --url ${url} --token ${given}`).ended;
  expect(code).toBe(3);
  expect(complaints).toMatch(/^driver: the hub refuses d1: .+\n$/);
});

test("a vendor that may not place orders is refused, and its order counts as such", async () => {
  const { url } = await startHub({ authSecret: SECRET });
  const given = await token("acme --publish other");
  const vendor = new TerminalProcess(`vendor acme --every off --url ${url} --token ${given}`);
  vendor.type("order Jamal Braun, Schmittfort LA");
  const { code, lines } = await vendor.ended;
  expect(code).toBe(3);
  expect(lines.at(-1)).toBe("VENDOR: sent 1, confirmed 0, delivered 0, outstanding 0, refused 1");
});
