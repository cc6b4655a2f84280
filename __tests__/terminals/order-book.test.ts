import { createOrder, type Order } from "../../clients/terminal/order";
import { describeVendorTally, OrderBook } from "../../clients/terminal/order-book";

function placed(book: OrderBook): Order {
  const order = createOrder("acme", "Jamal Braun", "Schmittfort LA");
  book.place(order);
  return order;
}

test("an order goes from placed to delivered, and the tally follows", () => {
  const book = new OrderBook();
  const order = placed(book);
  expect(book.tally()).toMatchObject({ sent: 1, confirmed: 0, unconfirmed: 1, outstanding: 1 });
  book.confirm(order.orderId);
  expect(book.latest(1)).toMatchObject([{ order, state: "confirmed" }]);
  book.progress(order);
  expect(book.latest(1)[0]?.state).toBe("in transit");
  expect(book.deliver(order)).toBe(true);
  expect(book.tally()).toMatchObject({ sent: 1, confirmed: 1, delivered: 1, unconfirmed: 0, outstanding: 0 });
});

test("news that outruns the confirmation is not undone by it", () => {
  const book = new OrderBook();
  const order = placed(book);
  book.progress(order);
  book.confirm(order.orderId);
  expect(book.latest(1)[0]?.state).toBe("in transit");
  book.deliver(order);
  book.progress(order);
  expect(book.latest(1)[0]?.state).toBe("delivered");
});

test("an order that is delivered twice counts once and is noticed", () => {
  const book = new OrderBook();
  const order = placed(book);
  expect(book.deliver(order)).toBe(true);
  expect(book.deliver(order)).toBe(false);
  expect(book.tally().delivered).toBe(1);
});

test("an order of an earlier run counts by itself", () => {
  const book = new OrderBook();
  placed(book);
  expect(book.deliver(createOrder("acme", "Ines Caldeira", "Quillhaven NC"))).toBe(true);
  expect(book.tally()).toMatchObject({ sent: 1, delivered: 0, outstanding: 1, deliveredEarlier: 1 });
  expect(describeVendorTally(book.tally())).toBe(
    "sent 1, confirmed 0, delivered 0, outstanding 1, delivered from an earlier run 1",
  );
});

test("what was asked for and never placed is told", () => {
  expect(describeVendorTally(new OrderBook().tally(), 3)).toBe(
    "sent 0, confirmed 0, delivered 0, outstanding 0, not placed 3",
  );
});

test("a refused order is neither outstanding nor unconfirmed", () => {
  const book = new OrderBook();
  book.refuse(placed(book).orderId);
  expect(book.tally()).toMatchObject({ sent: 1, refused: 1, outstanding: 0, unconfirmed: 0 });
});

test("settled orders are forgotten in the end, open ones never, and the counts stay right", () => {
  const book = new OrderBook();
  const open = placed(book);
  const early = placed(book);
  book.deliver(early);
  for (let settled = 0; settled < 10_000; settled++) book.deliver(placed(book));
  book.confirm(early.orderId);
  expect(book.latest(Number.MAX_SAFE_INTEGER)).toHaveLength(10_001);
  expect(book.latest(Number.MAX_SAFE_INTEGER)[0]?.order).toBe(open);
  expect(book.tally()).toMatchObject({ sent: 10_002, confirmed: 1, delivered: 10_001, outstanding: 1 });
});
