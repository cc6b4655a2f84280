import { isDerivedId, messageIdOf } from "../../src/caps/message-id";

const order = { store: "acme", orderId: "7", customer: "Ada" };

test("the same sent again has the same id", () => {
  expect(messageIdOf("pickup", { ...order }, undefined)).toBe(messageIdOf("pickup", order, undefined));
  expect(messageIdOf("pickup", { ...order, customer: "Bea" }, "m1")).toBe(messageIdOf("pickup", order, "m1"));
  expect(messageIdOf("pickup", order, undefined)).toMatch(/^acme\/7\/pickup\/[0-9a-f]{16}$/);
});

test("what is not the same never shares one", () => {
  const ids = [
    messageIdOf("pickup", order, undefined),
    messageIdOf("in-transit", order, undefined),
    messageIdOf("delivered", order, undefined),
    messageIdOf("pickup", { ...order, customer: "Bea" }, undefined),
    messageIdOf("pickup", { ...order, store: "acme2" }, undefined),
    messageIdOf("pickup", order, "m1"),
    messageIdOf("pickup", order, "m2"),
    messageIdOf("pickup", { ...order, store: "a/b", orderId: "c" }, "m"),
    messageIdOf("pickup", { ...order, store: "a", orderId: "b/c" }, "m"),
  ];
  expect(new Set(ids).size).toBe(ids.length);
});

test("long names make no long id", () => {
  const long = { store: "s".repeat(128), orderId: "o".repeat(128) };
  const id = messageIdOf("delivered", long, undefined);
  expect(id).toMatch(/^delivered\/[0-9a-f]{16}$/);
  expect(id).not.toBe(messageIdOf("delivered", { ...long, orderId: "p".repeat(128) }, undefined));
  expect(isDerivedId(id)).toBe(true);
});

test("tells its own ids from others", () => {
  expect(isDerivedId(messageIdOf("pickup", order, "m1"))).toBe(true);
  for (const id of ["7", "acme/7/pickup", "9f3c2a1b9f3c2a1b", "x/lost/9f3c2a1b9f3c2a1b"])
    expect(isDerivedId(id)).toBe(false);
});
