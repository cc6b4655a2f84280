/** What becomes of connections that come faster than the hub accepts them. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { HubHttp, urlOf } from "../../src/transport/http";

const COUNT = 1_000;
const SOMAXCONN = "/proc/sys/net/core/somaxconn";
const systemAllows = fs.existsSync(SOMAXCONN) ? Number(fs.readFileSync(SOMAXCONN, "utf8")) : 0;

/** Connects so many times at once, and says how many were through by the time that all were, or nothing more came. */
const CROWD = `
  const [port, count] = process.argv.slice(1).map(Number);
  let connected = 0;
  const end = () => { console.log(connected); process.exit(); };
  let quiet = setTimeout(end, 800);
  for (let n = 0; n < count; n++) {
    require("node:net").connect(port, "127.0.0.1", () => {
      clearTimeout(quiet);
      if (++connected === count) end();
      quiet = setTimeout(end, 800);
    });
  }`;

const testWhereAllowed = systemAllows >= COUNT ? test : test.skip;

testWhereAllowed(
  `${COUNT} connections that come while the hub is busy wait for it, rather than be left to try again`,
  async () => {
    const http = new HubHttp(() => Promise.resolve());
    await http.listen(0, "127.0.0.1");
    const { port } = new URL(urlOf(http.server));
    // Nothing is accepted meanwhile.
    const connected = execFileSync(process.execPath, ["-e", CROWD, port, String(COUNT)], { encoding: "utf8" });
    await http.close();
    expect(Number(connected)).toBe(COUNT);
  },
);
