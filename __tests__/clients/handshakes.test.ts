import { Handshakes } from "../../clients/hub-client/handshakes";
import type { Welcome } from "../../src/protocol/wire";

const welcome = (session: string): Welcome => ({ clientId: "made-up", session }) as Welcome;

test("a token that a former attempt asked for goes with the session that there is now", async () => {
  const answers: ((token: string) => void)[] = [];
  const token = () => new Promise<string>((resolve) => answers.push(resolve));
  const handshakes = new Handshakes({ token, clientId: undefined }, () => {});
  const sent: unknown[] = [];
  const attempt = async (former: Welcome): Promise<void> => {
    handshakes.send((handshake) => sent.push(handshake), former);
    // The token is asked for in a turn of its own.
    await Promise.resolve();
  };
  await attempt(welcome("first"));
  handshakes.end();
  await attempt(welcome("second"));
  answers[0]?.("late");
  await new Promise(setImmediate);
  answers[1]?.("later");
  await new Promise(setImmediate);
  expect(sent).toEqual([{ together: true, brief: true, clientId: "made-up", token: "late", session: "second" }]);
});
