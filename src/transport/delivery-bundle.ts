import { JsonText } from "../protocol/json-text";

/**
 * What one turn delivers to one connection. A client that takes the deliveries of several queues together gets them in
 * one packet: with thousands of queues it would else be a packet for each message.
 */
export class DeliveryBundle {
  private texts: string[] = [];
  private length = 0;

  /**
   * @param together whether the client takes several in one packet.
   * @param maxLength characters of a packet past which the next delivery starts another.
   * @param failed told when `emit` throws.
   */
  constructor(
    private readonly together: boolean,
    private readonly maxLength: number,
    private readonly emit: (text: JsonText) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  add(text: JsonText): void {
    if (!this.together) return this.send(text);
    if (this.length + text.json.length > this.maxLength) this.flush();
    // After what this turn has leased of other queues is here too.
    if (this.texts.length === 0) queueMicrotask(this.flush);
    this.texts.push(text.json);
    this.length += text.json.length;
  }

  /** Sends what is there, before something else that must come after it. */
  readonly flush = (): void => {
    const [first, ...others] = this.texts;
    if (first === undefined) return;
    this.texts = [];
    this.length = 0;
    this.send(new JsonText(others.length === 0 ? first : `[${first},${others.join(",")}]`));
  };

  /** Nobody awaits a microtask: what goes wrong in one would end the hub. */
  private send(text: JsonText): void {
    try {
      this.emit(text);
    } catch (error) {
      this.failed(error);
    }
  }
}
