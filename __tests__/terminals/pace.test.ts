import { createSampleOrder } from "../../clients/terminal/order";
import { ManualPace } from "../../clients/terminal/pace";
import { Slots } from "../../clients/terminal/slots";

const never = new AbortController().signal;

describe("a pace by hand", () => {
  test("takes and delivers the parcel that has waited longest", async () => {
    const offered: string[] = [];
    const pace = new ManualPace(({ orderId }) => offered.push(orderId));
    const [first, second] = [createSampleOrder("acme"), createSampleOrder("acme")];
    const taken: string[] = [];
    void pace.untilPickedUp(first, never).then(() => taken.push(first.orderId));
    const secondTaken = pace.untilPickedUp(second, never).then(() => taken.push(second.orderId));
    expect(offered).toEqual([first.orderId, second.orderId]);
    expect(pace.step("deliver")).toBe(false);
    expect([pace.step("take"), pace.step("take"), pace.step("take")]).toEqual([true, true, false]);
    await secondTaken;
    expect(taken).toEqual(offered);
  });

  test("fails the parcel in hand before one that is merely offered", async () => {
    const pace = new ManualPace(() => undefined);
    const offer = pace.untilPickedUp(createSampleOrder("acme"), never);
    const inHand = pace.untilDelivered(createSampleOrder("acme"), never);
    expect(pace.fail("nobody at home")).toBe(true);
    await expect(inHand).rejects.toMatchObject({ name: "Nack", options: { reason: "nobody at home" } });
    pace.end("went home");
    await expect(offer).rejects.toMatchObject({ options: { reason: "went home", delayMs: 0 } });
    expect(pace.fail("again")).toBe(false);
  });

  test("offers nothing after its end", async () => {
    const offered: string[] = [];
    const pace = new ManualPace(({ orderId }) => offered.push(orderId));
    pace.end("went home");
    await expect(pace.untilPickedUp(createSampleOrder("acme"), never)).rejects.toThrow("went home");
    expect(offered).toEqual([]);
    expect(pace.step("take")).toBe(false);
  });

  test("a lost lease takes the parcel out of hand", async () => {
    const pace = new ManualPace(() => undefined);
    const lease = new AbortController();
    const inHand = pace.untilDelivered(createSampleOrder("acme"), lease.signal);
    lease.abort(new Error("revoked"));
    await expect(inHand).rejects.toThrow();
    expect(pace.step("deliver")).toBe(false);
    await expect(pace.untilDelivered(createSampleOrder("acme"), lease.signal)).rejects.toThrow("revoked");
  });
});

describe("slots", () => {
  test("are given in the order of asking", async () => {
    const slots = new Slots(1);
    const leave = await slots.take(never);
    const entered: number[] = [];
    const second = slots.take(never).then((leaveSecond) => (entered.push(2), leaveSecond()));
    const third = slots.take(never).then(() => entered.push(3));
    expect(entered).toEqual([]);
    leave();
    await Promise.all([second, third]);
    expect(entered).toEqual([2, 3]);
  });

  test("one who is called away while waiting leaves no gap", async () => {
    const slots = new Slots(1);
    const leave = await slots.take(never);
    const lease = new AbortController();
    const waiting = slots.take(lease.signal);
    lease.abort(new Error("revoked"));
    await expect(waiting).rejects.toThrow();
    leave();
    await expect(slots.take(never)).resolves.toBeInstanceOf(Function);
  });
});
