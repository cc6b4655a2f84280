const RANDOM_BYTES = 5;
const COUNTER_LENGTH = 7;

/**
 * Makes message ids that sort, as text, in the order of their making: start time, a random part that sets makers
 * apart, a counter. Neighbours in time are then neighbours in the store's index: ids at random would each touch another page.
 */
export class MessageIds {
  private readonly prefix: string;
  private count = 0;

  constructor() {
    const random = globalThis.crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
    const hex = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.prefix = `${Date.now().toString(36).padStart(9, "0")}-${hex}-`;
  }

  next(): string {
    return this.prefix + (++this.count).toString(36).padStart(COUNTER_LENGTH, "0");
  }
}
