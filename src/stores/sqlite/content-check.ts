import { crc32 } from "node:zlib";
import { DamagedError } from "./damage";

/** What a message says, and what is therefore checked when it is read back. */
export interface Content {
  readonly priority: number;
  readonly id: string;
  readonly event: string;
  readonly payload: string;
  readonly group: string | null;
  readonly headers: string | null;
  readonly publisher: string;
  readonly publishedAt: number;
}

/**
 * A message's content as one text, which is what its checksum is of. All but the payload are without line breaks, and no
 * group and no headers are empty.
 */
export function contentText(content: Nullish<Content>): string {
  const { priority, id, event, payload, group, headers, publisher, publishedAt } = content;
  return `${priority}\n${publishedAt}\n${id}\n${event}\n${group ?? ""}\n${headers ?? ""}\n${publisher}\n${payload}`;
}

/** What is left out may be left undefined. */
type Nullish<Of> = { readonly [Key in keyof Of]: null extends Of[Key] ? Of[Key] | undefined : Of[Key] };

/** Reads what `contentText` wrote. */
export function readContent(text: string): Content {
  let at = 0;
  const line = (): string => {
    const from = at;
    at = text.indexOf("\n", from) + 1;
    return text.slice(from, at - 1);
  };
  const priority = Number(line());
  const publishedAt = Number(line());
  const id = line();
  const event = line();
  const group = line() || null;
  const headers = line() || null;
  const publisher = line();
  return { priority, publishedAt, id, event, group, headers, publisher, payload: text.slice(at) };
}

/** The same of a row that has these columns, as SQL. */
export const CONTENT_TEXT_SQL =
  "concat_ws(char(10), priority, published_at, id, event, coalesce(grp, ''), coalesce(headers, ''), publisher, payload)";

/** CRC-32 of a message's content, as it is stored with it: SQLite itself has no checksums, and disks do fail. */
export function contentCheck(content: Content): number {
  return crc32(contentText(content));
}

/** @throws DamagedError when the content is not what was stored. */
export function verifyContent(seq: number, content: Content, check: unknown): void {
  if (contentCheck(content) !== check) throw new DamagedError(`message ${seq} is not what was stored`);
}
