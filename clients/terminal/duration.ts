const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?<amount>\d+(?:\.\d+)?)(?<unit>ms|s|m|h|d)$/;

/** Milliseconds of a duration as it is typed: `200ms`, `5s`, `1.5m`, `2h`, `30d`. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const parts = DURATION.exec(text.trim())?.groups;
  const unitMs = UNIT_MS[parts?.unit ?? ""];
  if (parts?.amount === undefined || unitMs === undefined) return undefined;
  const durationMs = Math.round(Number(parts.amount) * unitMs);
  return Number.isSafeInteger(durationMs) ? durationMs : undefined;
}
