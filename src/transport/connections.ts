import { WaybillError } from "../protocol/errors";

/** The connections that are open, by client. */
export class Connections<Each> {
  private readonly byClient = new Map<string, Set<Each>>();

  /** @param maxPerClient connections that one client may have. */
  constructor(private readonly maxPerClient: number) {}

  /**
   * @param isReplaced whether a connection ends when the new one is there, so that it needs no room.
   * @throws WaybillError `LIMIT_REACHED` when the client has as many as it may.
   */
  checkRoomFor(clientId: string, isReplaced: (connection: Each) => boolean = () => false): void {
    const own = this.byClient.get(clientId);
    if (own === undefined || own.size < this.maxPerClient || [...own].some(isReplaced)) return;
    throw new WaybillError("LIMIT_REACHED", `${clientId} has ${this.maxPerClient} connections already.`);
  }

  add(clientId: string, connection: Each): void {
    const own = this.byClient.get(clientId);
    if (own) own.add(connection);
    else this.byClient.set(clientId, new Set([connection]));
  }

  remove(clientId: string, connection: Each): void {
    const own = this.byClient.get(clientId);
    own?.delete(connection);
    if (own?.size === 0) this.byClient.delete(clientId);
  }

  /** All of them, as of now: closing one while going through them is fine. */
  all(): Each[] {
    return [...this.byClient.values()].flatMap((own) => [...own]);
  }
}
