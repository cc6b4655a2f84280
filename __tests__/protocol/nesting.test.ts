import fc from "fast-check";
import { isNestedDeeper } from "../../src/protocol/nesting";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

it("counts lists and objects within one another, and nothing that only looks like it", () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("[", "{", "]", "}", '"', "\\", "a") }));
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "large", withCrossShrink: true },
      text,
      fc.constantFrom(null, true, 1.5),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(text, tie("value"), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(value, fc.integer({ min: 0, max: 12 }), (payload, limit) => {
      expect(isNestedDeeper(JSON.stringify(payload), limit)).toBe(depthOf(payload) > limit);
    }),
    { numRuns: 2_000 },
  );
});

it("takes so many, and not one more", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  expect(isNestedDeeper(nested(256), 256)).toBe(false);
  expect(isNestedDeeper(nested(257), 256)).toBe(true);
});
