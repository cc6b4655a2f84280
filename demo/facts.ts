const CONFIRMED = /^VENDOR: order confirmed (\S+): /;
const DELIVERED = /^VENDOR: (?:Thank you for your order .* \((\S+)\)|heard again that (\S+) was delivered)$/;
const PICKED_UP = /^DRIVER: picked up (\S+)/;
const HANDED_OVER = /^DRIVER: delivered (\S+)/;

/** What the processes said, counted: the same lines that are on the screen, and nothing else. */
export class Facts {
  /** Orders that the hub confirmed to the vendor. */
  readonly confirmed = new Set<string>();
  /** How often the vendor was told of each order that it is delivered. */
  readonly told = new Map<string, number>();
  private readonly trips = new Map<string, number>();
  private readonly hands = new Map<string, Set<string>>();
  private readonly waiters = new Set<() => void>();

  vendorSaid(line: string): void {
    const confirmed = CONFIRMED.exec(line)?.[1];
    if (confirmed !== undefined) this.confirmed.add(confirmed);
    const [, first, again] = DELIVERED.exec(line) ?? [];
    const delivered = first ?? again;
    if (delivered !== undefined) this.toldDelivered(delivered);
    this.waiters.forEach((check) => check());
  }

  toldDelivered(orderId: string): void {
    this.told.set(orderId, (this.told.get(orderId) ?? 0) + 1);
  }

  driverSaid(driver: string, line: string): void {
    const pickedUp = PICKED_UP.exec(line)?.[1];
    if (pickedUp !== undefined) {
      this.trips.set(pickedUp, (this.trips.get(pickedUp) ?? 0) + 1);
      this.inHandOf(driver).add(pickedUp);
    }
    const handedOver = HANDED_OVER.exec(line)?.[1];
    if (handedOver !== undefined) this.inHandOf(driver).delete(handedOver);
    this.waiters.forEach((check) => check());
  }

  /** Parcels that a driver has picked up and not delivered. */
  inHandOf(driver: string): Set<string> {
    let hand = this.hands.get(driver);
    if (!hand) this.hands.set(driver, (hand = new Set()));
    return hand;
  }

  /** Resolves as soon as what was said so far makes this true. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        this.waiters.delete(check);
        resolve();
      };
      this.waiters.add(check);
      check();
    });
  }

  get lost(): string[] {
    return [...this.confirmed].filter((orderId) => !this.told.has(orderId));
  }

  get twice(): string[] {
    return [...this.told].filter(([, times]) => times > 1).map(([orderId]) => orderId);
  }

  /** Parcels that went out more than once, since a crash left open whether they had arrived. */
  get carriedAgain(): number {
    return [...this.trips.values()].filter((times) => times > 1).length;
  }
}
