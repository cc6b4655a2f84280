import fc from "fast-check";
import { IdTable } from "../../src/protocol/id-table";
import { heapAfterCollection } from "../support/heap";

const step = fc.record({
  what: fc.constantFrom("set", "set", "set", "delete", "delete"),
  no: fc.integer({ min: 0, max: 60 }),
});

test("has what a Map would have, in its order, whatever comes and goes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new IdTable<number>();
      const map = new Map<string, number>();
      steps.forEach(({ what, no }, at) => {
        const id = `order-${no}`;
        if (what === "set") {
          table.set(id, at);
          map.set(id, at);
        } else {
          expect(table.delete(id)).toBe(map.delete(id));
        }
        expect(table.size).toBe(map.size);
      });
      expect(table.ids()).toEqual([...map.keys()]);
      expect(table.values()).toEqual([...map.values()]);
      for (let no = 0; no <= 60; no++) expect(table.get(`order-${no}`)).toBe(map.get(`order-${no}`));
    }),
  );
});

test("finds each of many, also when most have left", () => {
  const table = new IdTable<number>();
  for (let no = 0; no < 20_000; no++) table.set(`m-${no}`, no);
  for (let no = 0; no < 20_000; no++) if (no % 100 !== 0) table.delete(`m-${no}`);
  for (let no = 20_000; no < 40_000; no++) {
    table.set(`m-${no}`, no);
    table.delete(`m-${no}`);
  }
  expect(table.values()).toEqual(Array.from({ length: 200 }, (_, index) => index * 100));
  expect(table.get("m-19900")).toBe(19_900);
  expect(table.get("m-19901")).toBeUndefined();
});

test("keeps nothing of what has left, and what comes again comes last", () => {
  const table = new IdTable<object>();
  table.set("a", {});
  table.set("b", {});
  table.delete("a");
  table.set("a", { again: true });
  expect(table.ids()).toEqual(["b", "a"]);
  expect(table.get("a")).toEqual({ again: true });
  table.delete("a");
  table.delete("b");
  expect(table.size).toBe(0);
  expect(table.values()).toEqual([]);
});

test("gives back most of the room that many took, once there are few", () => {
  const table = new IdTable<Uint8Array>();
  const before = heapAfterCollection();
  for (let no = 0; no < 100_000; no++) table.set(`m-${no}`, new Uint8Array(0));
  for (let no = 0; no < 100_000; no++) table.delete(`m-${no}`);
  table.set("last", new Uint8Array(0));
  expect(heapAfterCollection() - before).toBeLessThan(200_000);
  expect(table.ids()).toEqual(["last"]);
});
