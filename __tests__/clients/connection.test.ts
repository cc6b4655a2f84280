import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect, WaybillError, type HubClientOptions } from "../../clients/hub-client";
import { deliveredMessage, gate } from "../support/scripted-hub";
import { hubAndClients, next } from "./client-under-test";

const { hub, connectClient } = hubAndClients();

function refusal(code: "UNAUTHENTICATED" | "DRAINING" | "LIMIT_REACHED"): Error & { data: unknown } {
  return Object.assign(new Error("refused"), { data: new WaybillError(code, `refused: ${code}`).toWire() });
}

describe("connecting", () => {
  it("is ready with the first welcome", async () => {
    const client = connectClient({ clientId: "acme" });
    expect(client.welcome).toBeUndefined();
    const welcome = await client.ready();
    expect(welcome).toMatchObject({ hubId: "scripted", clientId: "acme", session: "session-1" });
    expect(client.clientId).toBe("acme");
    expect(client.welcome).toBe(welcome);
  });

  it.each([undefined, ""])("keeps the name that the hub made up where %j was given", async (clientId) => {
    const client = connectClient({ clientId });
    await client.ready();
    hub().cut();
    await hub().until(() => hub().handshakes.length === 2);
    expect(hub().handshakes[1]).toEqual({ clientId: "somebody", session: "session-1", together: true, brief: true });
  });

  it("asks for a token before each connection, and again when there was none to be had", async () => {
    let asked = 0;
    const client = connectClient({
      token: () => {
        asked++;
        if (asked === 2) throw new Error("the login server is away");
        return Promise.resolve(`token-${asked}`);
      },
    });
    await client.ready();
    const retrying = new Promise<Error>((resolve) => {
      client.on("retrying", ({ attempt, error }) => attempt === 2 && resolve(error));
    });
    hub().cut();
    expect((await retrying).message).toBe("no token: the login server is away");
    await hub().until(() => hub().handshakes.length === 2);
    expect(hub().handshakes.map(({ token }) => token)).toEqual(["token-1", "token-3"]);
  });

  describe("with a source of tokens slower than requestTimeoutMs", () => {
    /** A client whose second attempt waits for a token, as the first one did in vain, and what it asked for so far. */
    async function secondAttempt() {
      const asked: ReturnType<typeof gate<() => string>>[] = [];
      const askedTwice = gate();
      const client = connectClient({
        requestTimeoutMs: 500,
        token: () => {
          const answer = gate<() => string>();
          const count = asked.push(answer);
          if (count === 2) askedTwice.open();
          return count > 2 ? `token-${count}` : answer.opened.then((give) => give());
        },
      });
      expect((await next(client, "retrying")).error.message).toBe("no token within 500 ms");
      await askedTwice.opened;
      return { client, asked };
    }

    it("connects with the first token that comes, and sends no second handshake over the same connection", async () => {
      const { client, asked } = await secondAttempt();
      asked[0]?.open(() => "token-1");
      await client.ready();
      asked[1]?.open(() => "token-2");
      await client.publish({ queue: "driver", event: "pickup" });
      expect(hub().handshakes.map(({ token }) => token)).toEqual(["token-1"]);
    });

    it("does not end an attempt for want of the token that a former one asked for", async () => {
      const { client, asked } = await secondAttempt();
      const retried = jest.fn();
      client.on("retrying", retried);
      asked[0]?.open(() => {
        throw new Error("the login server is away");
      });
      // Told before what comes next is.
      await new Promise((resolve) => setImmediate(resolve));
      asked[1]?.open(() => "token-2");
      await client.ready();
      expect(retried).not.toHaveBeenCalled();
      expect(hub().handshakes.map(({ token }) => token)).toEqual(["token-2"]);
    });
  });

  it("gives up when the hub refuses it for good, and rejects everything", async () => {
    hub().refusal = refusal("UNAUTHENTICATED");
    const client = connectClient();
    const failed = next(client, "failed");
    const outcomes = await Promise.allSettled([
      client.ready(),
      client.publish({ queue: "driver", event: "pickup" }),
      client.consume("driver", () => undefined),
      client.join("north"),
    ]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "UNAUTHENTICATED" } });
    }
    expect(await failed).toMatchObject({ code: "UNAUTHENTICATED", message: "refused: UNAUTHENTICATED" });
    expect(client.state).toBe("closed");
    await expect(client.publish({ queue: "driver", event: "pickup" })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
  });

  it("gives up on a namespace that the hub does not serve", async () => {
    const client = connectClient({ namespace: "/nowhere" });
    await expect(client.ready()).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: `The hub at ${hub().url} has no namespace /nowhere.`,
    });
  });

  it("tries again when the hub refuses it for now", async () => {
    hub().refusal = refusal("DRAINING");
    const client = connectClient();
    expect(await next(client, "retrying")).toMatchObject({ attempt: 1, error: { code: "DRAINING" } });
    // The room may be taken up by this client's own former connection, of whose end the hub does not know yet.
    hub().refusal = refusal("LIMIT_REACHED");
    expect(await next(client, "retrying")).toMatchObject({ attempt: 2, error: { code: "LIMIT_REACHED" } });
    hub().refusal = undefined;
    await client.ready();
  });

  it("tries again while nobody answers, or something that is not a hub", async () => {
    const strangers = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => strangers.listen(0, "127.0.0.1", resolve));
    const { port } = strangers.address() as AddressInfo;
    const client = connect(`http://127.0.0.1:${port}`, { reconnectDelayMs: 1, reconnectDelayMaxMs: 2 });
    expect(await next(client, "retrying")).toMatchObject({ attempt: 1 });
    expect(await next(client, "retrying")).toMatchObject({ attempt: 2 });
    await client.close();
    await expect(client.ready()).rejects.toMatchObject({ code: "INVALID", message: expect.stringContaining("closed") });
    await new Promise((resolve) => strangers.close(resolve));
  });

  it("does not take a welcome that makes no sense", async () => {
    hub().welcome = { protocol: 2 as 1 };
    const client = connectClient();
    expect(await next(client, "refused")).toMatchObject({ event: "welcome" });
    hub().welcome = {};
    await client.ready();
  });

  it.each([
    { maxUnconfirmed: 0 },
    { maxBatch: Number.NaN },
    { requestTimeoutMs: -1 },
    { requestTimeoutMs: 2 ** 31 },
    { reconnectDelayMs: Infinity },
    { namespace: "caps" },
  ])("throws for %p", (options) => {
    expect(() => connect(hub().url, options)).toThrow(Object.keys(options)[0]);
  });

  it("takes the longest times that there are, and waits no longer than it can before it tries again", async () => {
    const longestMs = 2 ** 31 - 1;
    const client = connectClient({
      requestTimeoutMs: longestMs,
      reconnectDelayMs: longestMs,
      reconnectDelayMaxMs: longestMs,
    });
    await client.ready();
    hub().send("drain", { reason: "update", reconnectAfterMs: longestMs });
    await next(client, "drain");
    const retrying = next(client, "retrying");
    const setTimer = jest.spyOn(globalThis, "setTimeout");
    hub().cut();
    await retrying;
    const delays = setTimer.mock.calls.map(([, delayMs]) => delayMs);
    setTimer.mockRestore();
    expect(delays).toContain(longestMs);
    expect(delays.filter((delayMs) => delayMs !== undefined && delayMs > longestMs)).toEqual([]);
  });

  it("throws for an option that there is not, with those that there are", () => {
    const misspelt = { clientID: "acme" } as HubClientOptions;
    const expected = { code: "INVALID", message: expect.stringMatching(/no option clientID\. .*\bclientId\b/) };
    expect(() => connect(hub().url, misspelt)).toThrow(expect.objectContaining(expected) as Error);
  });

  it.each(["foo", "", "127.0.0.1:3000", "localhost:3000", "ftp://127.0.0.1"])("throws for the URL %j", (url) => {
    const expected = { code: "INVALID", message: expect.stringContaining(`not "${url}"`) };
    expect(() => connect(url)).toThrow(expect.objectContaining(expected) as Error);
  });
});

describe("reconnecting", () => {
  it("comes back after a cut, and consumes again", async () => {
    const client = connectClient();
    await client.consume("driver", () => undefined, { prefetch: 7 });
    const [disconnected, connected] = [next(client, "disconnected"), next(client, "connected")];
    hub().cut();
    await disconnected;
    await connected;
    await hub().until(() => hub().bodies("consume", 2).length === 1);
    expect(hub().bodies("consume", 2)).toEqual([{ queue: "driver", prefetch: 7 }]);
  });

  it("comes back after the server has disconnected it", async () => {
    const client = connectClient();
    await client.ready();
    const disconnected = next(client, "disconnected");
    hub().kick();
    expect(await disconnected).toBe("io server disconnect");
    await client.publish({ queue: "driver", event: "pickup" });
    expect(hub().handshakes).toHaveLength(2);
  });

  it("tells of a drain, goes on settling, and comes back", async () => {
    const client = connectClient();
    const work = gate();
    await client.consume("driver", () => work.opened);
    hub().deliver("driver", deliveredMessage("m1"));
    const drain = next(client, "drain");
    hub().send("drain", { reason: "update", reconnectAfterMs: 10 });
    expect(await drain).toEqual({ reason: "update", reconnectAfterMs: 10 });
    work.open();
    await hub().until(() => hub().settled("ack").length === 1);
    hub().kick();
    await hub().until(() => hub().bodies("consume", 2).length === 1);
  });

  it("tells when a consumer is not taken on again", async () => {
    const client = connectClient();
    await client.consume("driver", () => undefined);
    hub().answer("consume", () => ({ ok: false, error: new WaybillError("FORBIDDEN", "no more").toWire() }));
    hub().cut();
    expect(await next(client, "refused")).toMatchObject({ event: "consume", error: { code: "FORBIDDEN" } });
  });

  it("goes on when a listener throws", async () => {
    const client = connectClient();
    const thrown = new Promise<unknown>((resolve) => {
      jest.spyOn(globalThis, "queueMicrotask").mockImplementationOnce((task) => {
        try {
          task();
        } catch (error) {
          resolve(error);
        }
      });
    });
    client.on("connected", () => {
      throw new Error("a listener's bug");
    });
    await client.publish({ queue: "driver", event: "pickup" });
    expect(await thrown).toMatchObject({ message: "a listener's bug" });
  });
});

describe("rooms", () => {
  it("joins and leaves, and says what the hub said", async () => {
    const client = connectClient();
    expect(await client.join("north", { since: "all" })).toMatchObject({ room: "north", members: 1 });
    await client.leave("north", { client: "acme" });
    expect(hub().bodies("join")).toEqual([{ room: "north", since: "all" }]);
    expect(hub().bodies("leave")).toEqual([{ room: "north", client: "acme" }]);
  });

  it("repeats over a reconnect what was not confirmed, and only that", async () => {
    const client = connectClient();
    await client.join("north");
    hub().answer("join", (_body, connection) =>
      connection === 1 ? undefined : { ok: true, room: "south", members: 1 },
    );
    const joined = client.join("south");
    await hub().until(() => hub().bodies("join").length === 2);
    hub().cut();
    await joined;
    expect(hub().bodies("join", 2)).toEqual([{ room: "south" }]);
  });

  it("rejects what is refused for good, and tries again what is refused for now", async () => {
    const codes: ("STORE_UNAVAILABLE" | "FORBIDDEN")[] = ["STORE_UNAVAILABLE", "FORBIDDEN"];
    hub().answer("join", () => {
      const code = codes.shift() ?? "FORBIDDEN";
      return { ok: false, error: new WaybillError(code, code).toWire() };
    });
    await expect(connectClient().join("north")).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(hub().bodies("join")).toHaveLength(2);
  });
});
