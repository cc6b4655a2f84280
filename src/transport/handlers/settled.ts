import type { SettleOutcome } from "../../protocol/wire";
import { statusOfAll } from "../brief";
import type { Caller } from "./handler";

/** The reply that says what became of deliveries: of each, or once of all where the client takes that. */
export function settled({ brief }: Caller, results: readonly SettleOutcome[], deadline?: string): object {
  const all = brief ? statusOfAll(results) : undefined;
  if (all !== undefined) return deadline === undefined || all !== "extended" ? { all } : { all, deadline };
  if (deadline === undefined) return { results };
  return {
    results: results.map((result) =>
      "status" in result && result.status === "extended" ? { ...result, deadline } : result,
    ),
  };
}
