import { handleCheck, untilIdle } from "../support/leak-check";
import { startHub, stopHubs } from "../support/start-hub";
import { connectRefused, connectStock, StockClient } from "../support/stock-client";

const checkHandles = handleCheck();

afterEach(stopHubs);
afterAll(checkHandles);

/** An Engine.IO connection by long polling, of which the packets are written by hand. */
class RawClient {
  private constructor(private readonly url: string) {}

  static async connect(hubUrl: string): Promise<RawClient> {
    const url = `${hubUrl}/socket.io/?EIO=4&transport=polling`;
    const opened = await (await fetch(url)).text();
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
    return new RawClient(`${url}&sid=${sid}`);
  }

  /** Sends Engine.IO messages in one request. */
  async send(...messages: string[]): Promise<void> {
    const body = messages.map((message) => `4${message}`).join("\u001e");
    const response = await fetch(this.url, { method: "POST", body, headers: { "content-type": "text/plain" } });
    await response.arrayBuffer();
  }

  /** What the hub has to say since it was last asked. */
  async read(): Promise<string> {
    return (await fetch(this.url)).text();
  }
}

describe("an event with more arguments than fit on a stack", () => {
  it("is answered by its first, and the hub goes on", async () => {
    const { url } = await startHub();
    const { client } = await connectStock(url);
    client.socket.io.engine.write(`2["cancel",{"queue":7}${",0".repeat(500_000)}]`);

    expect(await client.next("refused")).toMatchObject({ event: "cancel", error: { code: "INVALID" } });
    expect(await client.request("cancel", { queue: "jobs" })).toEqual({ ok: true, queue: "jobs" });
  });
});

describe("requests to connect", () => {
  it("may be for several namespaces at once, those included that there are not", async () => {
    const { url } = await startHub({ namespaces: ["/", "/caps", "/orders"] });
    const raw = await RawClient.connect(url);
    await raw.send("0", "0/caps,", "0/elsewhere,", "0/orders,");

    // What is sent in one turn may be read in several requests.
    let heard = "";
    while ((heard.match(/"welcome"/g) ?? []).length < 3 || !heard.includes("Invalid namespace"))
      heard += await raw.read();
  });

  it("may be sent again after a refusal, over the same connection", async () => {
    const { url } = await startHub({ namespaces: ["/"] });
    const client = new StockClient(url, { auth: { clientId: 7 } });
    const refusals = [1, 2].map(() => new Promise((resolve) => client.socket.once("connect_error", resolve)));
    await refusals[0];
    client.socket.connect();

    await refusals[1];
  });

  it("count once when they are sent many times at once", async () => {
    const { url, hub } = await startHub({ maxConnectionsPerClient: 2 });
    const raw = await RawClient.connect(url);
    await raw.send(...Array.from({ length: 1_000 }, () => '0{"clientId":"acme"}'), "0/caps,", "0/caps,");

    let heard = "";
    while ((heard.match(/"welcome"/g) ?? []).length < 2) heard += await raw.read();
    expect(heard.match(/"welcome"/g)).toHaveLength(2);
    expect(hub.counts()).toMatchObject({ connections: 2, sessions: 2 });
  });

  it("end the connection when they are for more namespaces than anybody needs", async () => {
    const { url, hub } = await startHub();
    const raw = await RawClient.connect(url);
    const last = raw.read();
    await raw.send("0", ...Array.from({ length: 1_000 }, (_, index) => `0/no-${index},`));

    await untilIdle(hub);
    await last;
    expect((await connectRefused(url, { namespace: "/no-1" })).message).toBe("Invalid namespace");
  });
});
