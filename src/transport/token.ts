import jwt from "jsonwebtoken";
import { z } from "zod";
import { reasonOf, WaybillError } from "../protocol/errors";
import { isName } from "../protocol/names";
import type { Grants } from "../queue/identity";

/** What a token says, once its signature has been proved. */
export interface Claims extends Grants {
  /** Its `sub`. */
  readonly clientId: string;
  /** Namespaces, or patterns of them, that it opens; left out: all. */
  readonly namespaces?: readonly string[];
  /** Milliseconds since the epoch at which it ends, and with it the connections that it opened. */
  readonly expiresAt?: number;
}

const names = z.array(z.string()).optional();
const claims = z.object({
  sub: z.string().refine(isName),
  exp: z.number().optional(),
  namespaces: names,
  publish: names,
  consume: names,
  join: names,
  invite: names,
  operator: z.boolean().optional(),
});

/**
 * Proves a JWT, signed with HS256 and nothing else: a token does not choose how it is checked (RFC 8725, 3.1).
 *
 * @throws WaybillError UNAUTHENTICATED, saying why.
 */
export function proveToken(token: string, secret: string, now: number): Claims {
  let payload: unknown;
  try {
    payload = jwt.verify(token, secret, { algorithms: ["HS256"], clockTimestamp: Math.floor(now / 1000) });
  } catch (error) {
    throw new WaybillError("UNAUTHENTICATED", `The token is not accepted: ${reasonOf(error)}.`, { cause: error });
  }
  const read = claims.safeParse(payload);
  if (!read.success) {
    const claim = String(read.error.issues[0]?.path[0] ?? "payload");
    throw new WaybillError(
      "UNAUTHENTICATED",
      `The token is not accepted: its claim "${claim}" is missing or malformed.`,
    );
  }
  const { sub, exp, ...grants } = read.data;
  return { ...grants, clientId: sub, expiresAt: exp === undefined ? undefined : exp * 1000 };
}
