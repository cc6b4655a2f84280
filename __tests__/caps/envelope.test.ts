import { readEvent, readQueueId, readReceipt, readSentOrder } from "../../src/caps/envelope";
import { WaybillError } from "../../src/protocol/errors";

/** What is thrown, as `CODE message`. */
function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof WaybillError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "nothing";
}

describe("the name in join and getAll", () => {
  test.each([
    ["acme", "acme"],
    ["driver", "driver"],
    [{ clientId: "acme" }, "acme"],
    [{ clientID: "acme" }, "acme"],
    [{ queueId: "acme" }, "acme"],
    [{ queueID: "acme" }, "acme"],
    [{ room: "acme" }, "acme"],
    [{ store: "acme" }, "acme"],
    [{ storeName: "acme" }, "acme"],
    [{ storeId: "acme", eventName: "delivered" }, "acme"],
    [{ store: "acme", orderId: "7", customer: "Ada" }, "acme"],
    [{ clientId: "driver-7", queueId: "driver" }, "driver"],
    [{ clientId: null, queueId: "driver" }, "driver"],
    [undefined, undefined],
    [null, undefined],
    [{}, undefined],
    [{ event: "delivered" }, undefined],
  ])("%j names %s", (argument, name) => {
    expect(readQueueId(argument)).toBe(name);
  });

  test.each([
    [42, "the queue must be a name"],
    [true, "given: true"],
    ["", 'given: ""'],
    [["acme"], "given: a list"],
    [{ clientId: "" }, "clientId must be"],
    [{ queueId: {} }, "queueId must be 1 to 128 printable characters; given: an object"],
    [{ room: [] }, "room must be"],
    [{ store: "\u0007" }, "store must be"],
    [{ store: "x".repeat(129) }, "store must be"],
  ])("%j is refused", (argument, words) => {
    const text = refusal(() => readQueueId(argument));
    expect(text).toMatch(/^INVALID /);
    expect(text).toContain(words);
  });
});

describe("an order", () => {
  const bare = { store: "acme", orderId: "7", customer: "Ada", address: "Lake Ada" };
  const read = { store: "acme", orderId: "7" };

  test.each<[string, unknown]>([
    ["bare", bare],
    ["bare with orderID", { ...bare, orderId: undefined, orderID: "7" }],
    ["bare with id", { ...bare, orderId: undefined, id: "7" }],
    ["bare with a number", { ...bare, orderId: 7 }],
    ["bare with storeName", { ...bare, store: undefined, storeName: "acme" }],
    ["bare with clientId", { ...bare, store: undefined, clientId: "acme" }],
    ["bare with queueID", { ...bare, store: undefined, queueID: "acme" }],
    ["an envelope with order", { event: "pickup", messageId: "m1", clientId: "acme", order: bare }],
    ["an envelope with payload", { event: "pickup", time: "now", payload: bare }],
    ["an envelope that names shop and order", { clientID: "acme", orderID: "7", order: { customer: "Ada" } }],
    ["an envelope that names its store", { store: "acme", orderId: 7, payload: { customer: "Ada" } }],
    ["an envelope by queueId", { queueId: "acme", order: { id: 7 } }],
    ["an envelope for the drivers' queue", { clientId: "acme", queueId: "driver", order: { id: "7" } }],
    ["an envelope whose clientId is a driver queue", { clientId: "Drivers", queueId: "acme", order: { id: "7" } }],
    ["an envelope from a driver", { clientId: "driver-7", order: bare }],
    ["an envelope with an empty payload beside its order", { clientId: "d", payload: null, order: bare }],
  ])("%s", (_form, argument) => {
    expect(readSentOrder(argument)).toMatchObject(read);
  });

  test("keeps all that the shop wrote, and nothing of the envelope", () => {
    expect(
      readSentOrder({ ...bare, event: "pickup", messageID: "m", clientId: "c", queueId: "q", attempt: 2 }),
    ).toEqual({
      fields: bare,
      store: "acme",
      orderId: "7",
      messageId: "m",
    });
    expect(readSentOrder({ messageId: "m", order: { ...bare, event: "wedding", lines: [{ sku: 1 }] } }).fields).toEqual(
      {
        ...bare,
        event: "wedding",
        lines: [{ sku: 1 }],
      },
    );
  });

  test("leaves out what is not said", () => {
    expect(readSentOrder({ customer: "Ada" })).toEqual({
      fields: { customer: "Ada" },
      store: undefined,
      orderId: undefined,
      messageId: undefined,
    });
  });

  test("is not misled by what every object has", () => {
    expect(readSentOrder(JSON.parse('{"__proto__":{"store":"evil"},"orderId":"7"}')).store).toBeUndefined();
    expect(readQueueId({ constructor: "acme" })).toBeUndefined();
  });

  test.each([
    [undefined, "order must be an object"],
    [null, "order must be an object"],
    ["acme", 'given: "acme"'],
    [7, "given: 7"],
    [[bare], "given: a list"],
    [{ order: "7" }, 'order must be an object; given: "7"'],
    [{ payload: [bare] }, "payload must be an object; given: a list"],
    [{ ...bare, store: "" }, "store must be"],
    [{ ...bare, store: ["acme"] }, "store must be"],
    [{ ...bare, store: "@acme" }, "store must be a shop's name"],
    [{ ...bare, store: "a:b" }, "store must be a shop's name"],
    [{ ...bare, store: "driver" }, "store must be a shop's name"],
    [{ ...bare, store: " acme" }, "store must be a shop's name"],
    [{ order: { orderId: "7" }, clientId: "*" }, "store must be a shop's name"],
    [{ ...bare, orderId: {} }, "orderId must be"],
    [{ ...bare, orderId: true }, "orderId must be"],
    [{ ...bare, orderId: Number.NaN }, "orderId must be"],
    [{ ...bare, orderId: "x".repeat(129) }, "orderId must be"],
    [{ ...bare, orderId: "a\nb" }, "orderId must be"],
    [{ ...bare, messageId: [] }, "messageId must be"],
  ])("%j is refused", (argument, words) => {
    const text = refusal(() => readSentOrder(argument));
    expect(text).toMatch(/^INVALID /);
    expect(text).toContain(words);
  });
});

describe("a receipt", () => {
  test.each<[unknown, ReturnType<typeof readReceipt>]>([
    [{ messageId: "m" }, { messageId: "m", orderId: "m", event: undefined }],
    [
      { messageID: "m", clientID: "acme", event: "delivered" },
      { messageId: "m", orderId: "m", event: "delivered" },
    ],
    [{ orderId: "7" }, { messageId: undefined, orderId: "7", event: undefined }],
    [
      { orderID: 7, event: "in_transit" },
      { messageId: undefined, orderId: "7", event: "in-transit" },
    ],
    [
      { id: "7", event: "inTransit" },
      { messageId: undefined, orderId: "7", event: "in-transit" },
    ],
    [
      { payload: { orderID: "7" }, event: "received" },
      { messageId: undefined, orderId: "7", event: undefined },
    ],
    [
      { order: { id: 7 }, messageId: "m" },
      { messageId: "m", orderId: "7", event: undefined },
    ],
    [
      { messageId: "m", order: "not an order" },
      { messageId: "m", orderId: "m", event: undefined },
    ],
    [
      { messageId: "m", id: { odd: true } },
      { messageId: "m", orderId: "m", event: undefined },
    ],
    ["7", { messageId: "7", orderId: "7", event: undefined }],
    [7, { messageId: "7", orderId: "7", event: undefined }],
  ])("%j", (argument, receipt) => {
    expect(readReceipt(argument)).toEqual(receipt);
  });

  test.each([
    [undefined, "received must be { messageId | orderId }"],
    [null, "received must be"],
    ["", "received must be"],
    [[], "received must be"],
    [{}, "messageId or orderId must say"],
    [{ queueId: "driver" }, "messageId or orderId must say"],
    [{ messageId: {} }, "messageId must be"],
    [{ orderId: [] }, "orderId must be"],
    [{ messageId: "m", event: {} }, "event must be"],
  ])("%j is refused", (argument, words) => {
    const text = refusal(() => readReceipt(argument));
    expect(text).toMatch(/^INVALID /);
    expect(text).toContain(words);
  });
});

test("an event that a getAll limits itself to", () => {
  expect(readEvent("acme")).toBeUndefined();
  expect(readEvent({ event: "in_transit" })).toBe("in-transit");
  expect(readEvent({ eventName: "Delivered" })).toBe("delivered");
  expect(readEvent({ event: "invoice" })).toBe("invoice");
});
