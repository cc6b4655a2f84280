import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "dotenv";
import { SETTING_NAMES, SETTINGS } from "../src/config";
import { asOption, envSample, flagOf, readSettings, SettingError, settingsFromEnvironment } from "../src/read-config";

const SAMPLE = path.join(__dirname, "..", ".env.sample");

it(".env.sample is what the table says", () => {
  expect(readFileSync(SAMPLE, "utf8")).toBe(envSample());
});

it(".env.sample, used as it is, gives the defaults", () => {
  expect(readSettings(settingsFromEnvironment(parse(envSample())))).toEqual(readSettings({}));
});

it("has the settings that the design names, with their defaults", () => {
  expect(readSettings({})).toMatchObject({
    port: 3000,
    host: "127.0.0.1",
    store: "sqlite:data/waybill.db",
    namespaces: ["/", "/caps"],
    leaseMs: 30_000,
    graceMs: 5_000,
    maxAttempts: 10,
    logLevel: "info",
    authSecret: "",
  });
});

it("accepts every default, and gives each setting a name and a reason of its own", () => {
  for (const name of SETTING_NAMES) {
    expect(SETTINGS[name].env).toMatch(/^(PORT|HOST|LOG_LEVEL|WAYBILL_[A-Z_]+)$/);
    expect(SETTINGS[name].about).toMatch(/\.$/);
  }
  expect(new Set(SETTING_NAMES.map((name) => SETTINGS[name].env)).size).toBe(SETTING_NAMES.length);
});

it("reads text as the environment has it", () => {
  const given = settingsFromEnvironment({
    PORT: " 8080 ",
    WAYBILL_NAMESPACES: "/, /orders",
    WAYBILL_ROUTES: "/orders:new -> /:room:news [paid]; /:a -> /:b;",
    WAYBILL_LEASE_MS: "",
    WAYBILL_URL: "http://elsewhere",
  });
  expect(readSettings(given)).toMatchObject({
    port: 8080,
    namespaces: ["/", "/orders"],
    leaseMs: 30_000,
    routes: [
      { from: { namespace: "/orders", pattern: "new" }, to: "/:room:news", events: ["paid"] },
      { from: { namespace: "/", pattern: "a" }, to: "/:b" },
    ],
  });
});

const bad: [env: string, given: string, allowed: string][] = [
  ["PORT", "http", "a whole number from 0 to 65535"],
  ["PORT", "70000", "a whole number from 0 to 65535"],
  ["PORT", "-1", "a whole number"],
  ["WAYBILL_LEASE_MS", "30s", "(ms)"],
  ["WAYBILL_LEASE_MS", "1e4", "a whole number from 100 to 3600000 (ms)"],
  ["WAYBILL_MAX_ATTEMPTS", "0", "from 1 to 1000"],
  ["WAYBILL_MAX_ATTEMPTS", "2.5", "from 1 to 1000"],
  ["WAYBILL_NAMESPACES", "caps", "namespaces such as"],
  ["WAYBILL_NAMESPACES", "/,,/caps", "namespaces such as"],
  ["WAYBILL_ROUTES", "/:a -> /elsewhere:b", "set WAYBILL_NAMESPACES to /,/caps,/elsewhere"],
  ["WAYBILL_ORIGINS", "shop.example", "origins"],
  ["WAYBILL_MAX_PACKET_BYTES", "1048576", "WAYBILL_MAX_PAYLOAD_BYTES"],
  ["WAYBILL_PREFETCH", "20000", "WAYBILL_MAX_PREFETCH"],
  ["WAYBILL_BACKOFF_MAX_MS", "10", "WAYBILL_BACKOFF_MS"],
  ["LOG_LEVEL", "loud", "fatal, error, warn"],
  ["WAYBILL_STORE", "data/waybill.db", "sqlite:<path of a file>, or memory:"],
  ["WAYBILL_STORE", "memory:data", "sqlite:<path of a file>, or memory:"],
];

it.each(bad)("%s=%s stops the start with one line", (env, given, allowed) => {
  const { message } = errorOf({ [env]: given });
  expect(message).toContain(env);
  expect(message).toContain("given");
  expect(message).toContain(allowed);
  expect(message).not.toContain("\n");
});

it.each([
  ["a to b", 'WAYBILL_ROUTES: "a to b" is not of the form "/namespace:queue -> /namespace:queue [event, …]"'],
  ["/:a -> /:b; /:b -> /:a", "WAYBILL_ROUTES: these routes form a loop: /:b -> /:a -> /:b"],
])("WAYBILL_ROUTES=%s: says what is wrong with them, and nothing else", (routes, problem) => {
  expect(errorOf({ WAYBILL_ROUTES: routes }).message).toBe(problem);
});

it("calls settings as a program has them, with the variable that the docs speak of", () => {
  expect(() => readSettings({ leaseMs: "x" }, asOption)).toThrow(
    /^leaseMs \(WAYBILL_LEASE_MS\): given "x"; allowed: a /,
  );
  expect(() => readSettings({ maxPrefetch: 50 }, asOption)).toThrow(
    'prefetch (WAYBILL_PREFETCH): given "100"; allowed: at most maxPrefetch (WAYBILL_MAX_PREFETCH), which is 50',
  );
});

it.each([
  [{ maxPayloadBytes: 5_000_000 }, "maxPacketBytes", "at least 48 KiB more than maxPayloadBytes"],
  [{ maxBufferedBytes: 3_145_727 }, "maxBufferedBytes", "at least 1 MiB more than twice maxPayloadBytes"],
  [{ backoffMs: 2_000, backoffMaxMs: 1_000 }, "backoffMaxMs", "at least backoffMs"],
])("%j is refused: what it says of %s needs room for the other", (given, name, allowed) => {
  expect(() => readSettings(given, asOption)).toThrow(new RegExp(`^${name} .*; allowed: ${allowed}`));
});

it("a route's namespaces are told all at once, with what gives the hub those that it has not", () => {
  const routes = "/orders:new -> /shipping:pack [order-paid]";
  const { message } = errorOf({ WAYBILL_ROUTES: routes });
  const mended = /set WAYBILL_NAMESPACES to (\S+)$/.exec(message)?.[1];
  expect(message).toContain('given "/orders,/shipping"');
  expect(readSettings(settingsFromEnvironment({ WAYBILL_ROUTES: routes, WAYBILL_NAMESPACES: mended }))).toMatchObject({
    namespaces: ["/", "/caps", "/orders", "/shipping"],
  });
});

it("never shows a secret, and takes it from no flag", () => {
  const { message } = errorOf({ WAYBILL_AUTH_SECRET: "too-short" });
  expect(message).toContain("at least 32 bytes");
  expect(message).not.toContain("too-short");
  expect(flagOf("authSecret")).toBeUndefined();
  expect(flagOf("maxUnconfirmedBytes")).toBe("--max-unconfirmed-bytes");
});

function errorOf(environment: Record<string, string>): SettingError {
  try {
    readSettings(settingsFromEnvironment(environment));
  } catch (error) {
    if (error instanceof SettingError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
