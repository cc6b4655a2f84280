import { connect, type ReceivedMessage } from "../../clients/hub-client";
import { Courier } from "../../clients/terminal/courier";
import { createSampleOrder } from "../../clients/terminal/order";
import { timedPace } from "../../clients/terminal/pace";
import { Slots } from "../../clients/terminal/slots";

const HOUR_MS = 3_600_000;

function offer(id: string): ReceivedMessage {
  const payload = createSampleOrder("acme");
  const publishedAt = "2026-01-31T12:00:00.000Z";
  return { id, seq: 1, event: "pickup", payload, attempt: 1, publishedAt, publisher: "acme", leaseMs: 30_000 };
}

test("going home, it gives back what it is on its way to and what waits for its turn, and takes nothing more", async () => {
  // There is no hub there, and none is asked.
  const client = connect("http://127.0.0.1:9", { clientId: "d7" });
  const said: string[] = [];
  const refuse = (error: Error): never => {
    throw error;
  };
  const courier = new Courier(
    client,
    "d7",
    timedPace(HOUR_MS, HOUR_MS),
    new Slots(1),
    (text) => said.push(text),
    refuse,
  );
  const control = { signal: new AbortController().signal, extend: () => Promise.resolve() };
  const carried = [courier.carry(offer("first"), control), courier.carry(offer("second"), control)];
  courier.goHome();
  carried.push(courier.carry(offer("third"), control));
  for (const trip of carried) await expect(trip).rejects.toMatchObject({ name: "Nack", options: { release: true } });
  expect(said).toEqual([expect.stringMatching(/^gave back \w+: driver d7 went home$/)]);
  expect(courier.tally()).toEqual({ taken: 0, delivered: 0, failed: 0, lost: 0, inHand: 0 });
  await client.close({ timeoutMs: 0 });
});
