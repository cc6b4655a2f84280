/** The connections that are open, by client. */
export class Connections<Each> {
  private readonly byClient = new Map<string, Set<Each>>();

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

  countOf(clientId: string): number {
    return this.byClient.get(clientId)?.size ?? 0;
  }

  /** All of them, as of now: closing one while going through them is fine. */
  all(): Each[] {
    return [...this.byClient.values()].flatMap((own) => [...own]);
  }
}
