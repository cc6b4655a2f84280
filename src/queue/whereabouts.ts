import type { Trace } from "./message";

/** Where a message is, or how it ended, and why it is not moving. */
export interface Whereabouts {
  readonly trace: Trace;
  /** Why it waits, in words for an operator; undefined: it does not, or is done. */
  readonly stuck: string | undefined;
}
