import { ScriptedHub } from "../support/scripted-hub";
import { killTerminals, TerminalProcess } from "./terminal-process";

afterEach(killTerminals);

test("a hub that goes before it has answered may have done what was asked, and nobody is told that it has not", async () => {
  const hub = await ScriptedHub.start();
  try {
    hub.answer("redrive", () => hub.cut());
    const { code, complaints } = await new TerminalProcess(`dead redrive driver --all --namespace / --url ${hub.url}`)
      .ended;
    expect(code).toBe(1);
    expect(complaints).toMatch(
      /^waybill dead: no answer from \S+ \(socket has been disconnected\): it may be done, or under way, all the same\n$/,
    );
    expect(hub.bodies("redrive")).toEqual([{ queue: "driver" }]);
  } finally {
    await hub.stop();
  }
});

test.each(["//localhost", "/a/../"])("a namespace like %s is asked for as it is written", async (namespace) => {
  const hub = await ScriptedHub.start();
  try {
    const { code, complaints } = await new TerminalProcess(`why m-1 --namespace ${namespace} --url ${hub.url}`).ended;
    expect(complaints).toBe(`waybill why: The hub at ${hub.url} has no namespace ${namespace}.\n`);
    expect(code).toBe(3);
  } finally {
    await hub.stop();
  }
});
