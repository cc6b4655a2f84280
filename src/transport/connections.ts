import { WaybillError } from "../protocol/errors";

/** The connections that are open, by client. */
export class Connections<Each> {
  private readonly byClient = new Map<string, Set<Each>>();

  /** @param maxPerClient connections that one client may have. */
  constructor(private readonly maxPerClient: number) {}

  /** @throws WaybillError `LIMIT_REACHED` when the client has as many as it may. */
  checkRoomFor(clientId: string): void {
    if ((this.byClient.get(clientId)?.size ?? 0) < this.maxPerClient) return;
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
