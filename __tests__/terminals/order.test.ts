import { createSampleOrder, pickupMessage, progressMessage, readOrder } from "../../clients/terminal/order";

const order = createSampleOrder("acme");

test("a pickup asks whoever is free, or one driver", () => {
  const { orderId } = order;
  const asked = { id: `${orderId}/pickup`, event: "pickup", payload: order };
  expect(pickupMessage(order, undefined)).toEqual({ queue: "driver", ...asked });
  expect(pickupMessage(order, "d7")).toEqual({ client: "d7", ...asked });
});

test("the news of one pickup has the same id whoever tells it, and another for another pickup of the same order id", () => {
  const byOne = progressMessage("1234/pickup", order, "delivered", "d1");
  const byOther = progressMessage("1234/pickup", order, "delivered", "d2");
  expect(byOther.id).toBe(byOne.id);
  expect(progressMessage("1234/pickup", order, "in-transit", "d1").id).not.toBe(byOne.id);
  expect(progressMessage("1234/pickup/other", order, "delivered", "d1").id).not.toBe(byOne.id);
});

test("the news goes to the shop, with all that the shop wrote", () => {
  const own = { ...order, parcelColor: "red" };
  const news = progressMessage("1/pickup", own, "delivered", "d1");
  expect(news).toMatchObject({ client: "acme", event: "delivered", payload: { ...own, driver: "d1" } });
});

test("a pickup id as long as the hub takes still makes an id that the hub takes", () => {
  const [one, other] = ["a", "b"].map((end) => progressMessage("x".repeat(127) + end, order, "in-transit", "d1").id);
  expect(one?.length).toBeLessThanOrEqual(128);
  expect(one).not.toBe(other);
});

test("reads orders as shops write them, and nothing else", () => {
  expect(readOrder({ store: "acme", orderId: "1", customer: 5 })).toMatchObject({ customer: "unknown" });
  for (const payload of [undefined, null, "order", [], {}, { store: "acme" }, { store: "", orderId: "1" }]) {
    expect(readOrder(payload)).toBeUndefined();
  }
});
