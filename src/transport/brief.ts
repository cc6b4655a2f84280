import type { PublishResult, SettleOutcome, SettleStatus } from "../protocol/wire";

/**
 * What a list's reply comes to where all went well, for clients that take it so: of 256 results most of the bytes, and of
 * the work of writing and reading them, would say the same again.
 */

/** @returns the seqs of messages that were all stored now; undefined: there is more to say. */
export function seqsOf(results: readonly PublishResult[]): readonly number[] | undefined {
  const seqs: number[] = [];
  for (const result of results) {
    if (!("seq" in result) || result.status !== "stored") return undefined;
    seqs.push(result.seq);
  }
  return seqs;
}

/** @returns what became of all deliveries alike; undefined: it is not the same of each. */
export function statusOfAll(results: readonly SettleOutcome[]): SettleStatus | undefined {
  const [first] = results;
  if (first === undefined || !("status" in first)) return undefined;
  return results.every((result) => "status" in result && result.status === first.status) ? first.status : undefined;
}
