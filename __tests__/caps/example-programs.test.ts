import { handleCheck } from "../support/leak-check";
import { startHub, stopHubs, type StartedHub } from "../support/start-hub";
import { StudentProgram } from "./student-program";

const THANKS = /^VENDOR: Thank you for your order /;
const ON_MY_WAY = /^DRIVER: on my way /;
const DELIVERED = /^DRIVER: delivered /;

let hub: StartedHub;
let programs: StudentProgram[];

beforeEach(async () => {
  programs = [];
  hub = await startHub({ graceMs: 50 });
});
afterEach(async () => {
  await Promise.all(programs.map((program) => program.kill()));
  await stopHubs();
});
afterEach(handleCheck());

function run(file: string, settings: Record<string, string>): StudentProgram {
  const program = new StudentProgram(file, { CAPS_URL: hub.url, ...settings });
  programs.push(program);
  return program;
}

const idsIn = (lines: readonly string[]) => lines.map((line) => /[\w-]+-\d+-\d+/.exec(line)?.[0]);

test("a vendor and two drivers, as written in class, deliver every order once", async () => {
  const drivers = [1, 2].map(() => run("driver.js", { PICKUP_MS: "10", TRANSIT_MS: "10" }));
  const vendor = run("vendor.js", { STORE: "acme-widgets", ORDERS: "8", EVERY_MS: "20" });
  expect(await vendor.exitCode()).toBe(0);
  const thanks = idsIn(vendor.lines.filter((line) => THANKS.test(line)));
  expect(new Set(thanks).size).toBe(8);
  expect(thanks).toHaveLength(8);
  expect(vendor.lines).toContainEqual(expect.stringMatching(/^VENDOR: Thank.* Jamal Braun \(acme-widgets-\d+-1\)$/));
  const carried = drivers.flatMap((driver) => idsIn(driver.lines.filter((line) => DELIVERED.test(line))));
  expect(carried.sort()).toEqual(thanks.sort());
});

test("a vendor that was killed hears of its parcel when it is started again", async () => {
  const vendor = run("vendor.js", { STORE: "acme-widgets", ORDERS: "1", EVERY_MS: "20" });
  const idle = run("driver.js", { PICKUP_MS: "60000" });
  await idle.printed(ON_MY_WAY, 1);
  await vendor.kill();
  await idle.kill();
  const driver = run("driver.js", { PICKUP_MS: "10", TRANSIT_MS: "10" });
  await driver.printed(DELIVERED, 1);
  const back = run("vendor.js", { STORE: "acme-widgets", ORDERS: "1", EVERY_MS: "60000" });
  expect(await back.exitCode()).toBe(0);
  expect(idsIn(back.lines)).toEqual(idsIn(vendor.lines));
});

test("a driver that is killed with a parcel in hand leaves it to another", async () => {
  const gone = run("driver.js", { PICKUP_MS: "60000" });
  const vendor = run("vendor.js", { STORE: "acme-widgets", ORDERS: "1", EVERY_MS: "20" });
  await gone.printed(ON_MY_WAY, 1);
  const other = run("driver.js", { PICKUP_MS: "10", TRANSIT_MS: "10" });
  await gone.kill();
  await other.printed(DELIVERED, 1);
  expect(await vendor.exitCode()).toBe(0);
});
