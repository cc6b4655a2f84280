import { readDriverCommand, readVendorCommand } from "../../clients/terminal/typed-commands";

describe("the vendor's typed commands", () => {
  test.each([
    ["order Jamal Braun, Schmittfort LA", { name: "order", customer: "Jamal Braun", address: "Schmittfort LA" }],
    ["order Ann,  1, Main St, Oslo ", { name: "order", customer: "Ann", address: "1, Main St, Oslo" }],
    ["burst 100", { name: "burst", count: 100 }],
    ["  ORDERS ", { name: "orders" }],
    ["help", { name: "help" }],
    ["quit", { name: "quit" }],
    ["exit", { name: "quit" }],
    ["", undefined],
    ["   ", undefined],
  ])("%j", (line, command) => {
    expect(readVendorCommand(line)).toEqual(command);
  });

  test.each([
    ["order", "customer and an address"],
    ["order Jamal Braun", "customer and an address"],
    ["order , Schmittfort", "customer and an address"],
    ["order Jamal,", "customer and an address"],
    ["burst", "from 1 to"],
    ["burst 0", "from 1 to"],
    ["burst 1e3", "from 1 to"],
    ["burst 10001", "from 1 to"],
    ["ordr x, y", "no such command: ordr"],
  ])("%j is explained", (line, problem) => {
    expect(readVendorCommand(line)).toEqual({ name: "mistyped", problem: expect.stringContaining(problem) });
  });
});

describe("the driver's typed commands", () => {
  test.each([
    ["take", { name: "take" }],
    ["deliver", { name: "deliver" }],
    ["fail nobody at  home", { name: "fail", reason: "nobody at home" }],
    ["help", { name: "help" }],
    ["exit", { name: "quit" }],
    ["", undefined],
  ])("%j", (line, command) => {
    expect(readDriverCommand(line)).toEqual(command);
  });

  test.each([
    ["fail", "needs a reason"],
    ["drop", "no such command: drop"],
  ])("%j is explained", (line, problem) => {
    expect(readDriverCommand(line)).toEqual({ name: "mistyped", problem: expect.stringContaining(problem) });
  });
});
