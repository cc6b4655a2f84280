import { reasonOf } from "../../src/protocol/errors";
import type { Handshake, Welcome } from "../../src/protocol/wire";
import type { ClientSettings } from "./options";

type Send = (handshake: object) => void;

/** Sends the handshake of each attempt to connect, with a token that is fetched for it where there is a source of them. */
export class Handshakes {
  /** What the attempt sends its handshake with, and what the last connection was welcomed with, while it waits for a token. */
  private waiting: { readonly send: Send; readonly former: Welcome | undefined } | undefined;

  /** @param failed told why there is no token for the attempt. */
  constructor(
    private readonly settings: Pick<ClientSettings, "token" | "clientId">,
    private readonly failed: (reason: string) => void,
  ) {}

  get isAwaitingToken(): boolean {
    return this.waiting !== undefined;
  }

  /** @param former what the last connection was welcomed with. */
  send(send: Send, former: Welcome | undefined): void {
    const { token } = this.settings;
    if (typeof token !== "function") {
      send(this.handshake(token, former));
      return;
    }
    const attempt = (this.waiting = { send, former });
    Promise.resolve()
      .then(token)
      .then(
        (fresh) => this.useToken(fresh),
        // Whoever gives tokens may be away for a while, as the hub may.
        (error: unknown) => {
          if (this.waiting === attempt) this.failed(`no token: ${reasonOf(error)}`);
        },
      );
  }

  /** The attempt is over. */
  end(): void {
    this.waiting = undefined;
  }

  /**
   * Sends the handshake of the attempt that waits for a token, once: a second one on the same connection would end it.
   * The token may be what a former attempt asked for in vain, so that a source that is slow in giving them will do.
   */
  private useToken(token: string): void {
    const { waiting } = this;
    this.waiting = undefined;
    waiting?.send(this.handshake(token, waiting.former));
  }

  private handshake(token: string | undefined, former: Welcome | undefined): Handshake {
    const handshake: Handshake = { together: true, brief: true };
    // A name that the hub made up is kept: the inbox of the next connection is then the same one. An empty one is none given.
    const clientId = this.settings.clientId || former?.clientId;
    if (clientId !== undefined) handshake.clientId = clientId;
    if (token !== undefined) handshake.token = token;
    if (former !== undefined) handshake.session = former.session;
    return handshake;
  }
}
