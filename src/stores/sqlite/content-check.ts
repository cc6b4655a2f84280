import { crc32 } from "node:zlib";
import { DamagedError } from "./damage";

/** What a message says, and what is therefore checked when it is read back. */
interface Content {
  readonly priority: number;
  readonly id: string;
  readonly event: string;
  readonly payload: string;
  readonly group: string | null;
  readonly headers: string | null;
  readonly publisher: string;
  readonly publishedAt: number;
}

/** CRC-32 of a message's content, as it is stored with it: SQLite itself has no checksums, and disks do fail. */
export function contentCheck({
  priority,
  id,
  event,
  payload,
  group,
  headers,
  publisher,
  publishedAt,
}: Content): number {
  return crc32(
    `${priority}\n${publishedAt}\n${id}\n${event}\n${group ?? ""}\n${headers ?? ""}\n${publisher}\n${payload}`,
  );
}

/** @throws DamagedError when the content is not what was stored. */
export function verifyContent(seq: number, content: Content, check: unknown): void {
  if (contentCheck(content) !== check) throw new DamagedError(`message ${seq} is not what was stored`);
}
