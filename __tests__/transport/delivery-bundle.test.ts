import { DeliveryBundle } from "../../src/transport/delivery-bundle";
import { JsonText } from "../../src/protocol/json-text";

const text = (queue: string): JsonText => new JsonText(JSON.stringify({ queue }));

it("what one turn delivers goes in one packet, and a packet ends where the next would be too long", async () => {
  const sent: string[] = [];
  const bundle = new DeliveryBundle(true, 40, ({ json }) => void sent.push(json), fail);
  for (const queue of ["north", "south", "a-long-way-east"]) bundle.add(text(queue));
  await Promise.resolve();
  expect(sent).toEqual(['[{"queue":"north"},{"queue":"south"}]', '{"queue":"a-long-way-east"}']);
});

it.each([true, false])(
  "a packet that cannot be sent is told, and does not end the hub (together: %s)",
  async (together) => {
    const failures: unknown[] = [];
    let sent = 0;
    const bundle = new DeliveryBundle(
      together,
      1_000,
      () => {
        if (sent++ === 0) throw new Error("too long");
      },
      (error) => failures.push(error),
    );
    bundle.add(text("north"));
    await Promise.resolve();
    bundle.add(text("south"));
    await Promise.resolve();
    expect({ failures, sent }).toEqual({ failures: [new Error("too long")], sent: 2 });
  },
);

function fail(error: unknown): never {
  throw error;
}
