import { randomBytes } from "node:crypto";
import { WaybillError } from "../protocol/errors";
import { compilePatterns } from "../protocol/names";
import { readHandshake } from "../protocol/requests";
import type { Handshake } from "../protocol/wire";
import type { DialectLine } from "../queue/dialect";
import { identityOf, type Identity } from "../queue/identity";
import { isLoopback } from "./loopback";
import { proveToken, type Claims } from "./token";

/** How a connection came by its name. */
export type Standing = DialectLine["standing"];

/** A connection that may be opened. */
export interface Admission {
  readonly identity: Identity;
  readonly standing: Standing;
  /** The session that the client shows, to have its leases back. */
  readonly session: string | undefined;
  /** Whether the client takes the deliveries of several queues in one packet. */
  readonly together: boolean;
  /** Whether it takes a reply that says once what is the same of each. */
  readonly brief: boolean;
  /** Milliseconds since the epoch at which its token ends. */
  readonly expiresAt: number | undefined;
}

/** What decides about connections, besides what they bring along. */
export interface Gate {
  readonly namespaces: readonly string[];
  /** Empty: the hub is open, to this machine only. */
  readonly authSecret: string;
  isDraining(): boolean;
  now(): number;
  /** @throws WaybillError when the client has as many connections as it may, and none whose session this one takes over. */
  checkRoomFor(clientId: string, namespace: string, session: string | undefined): void;
}

/** A connection on its way in. The steps fill in what they find out. */
interface Attempt {
  readonly namespace: string;
  readonly address: string | undefined;
  readonly auth: unknown;
  handshake: Handshake;
  claims: Claims;
  standing: Standing;
}

type Step = (attempt: Attempt, gate: Gate) => void;

/** Connecting, in order. Each step lets the attempt pass or throws the `WaybillError` that the client is told. */
const STEPS: readonly Step[] = [
  refuseWhileDraining,
  checkNamespace,
  readAuth,
  identify,
  checkStatedName,
  checkNamespaceGrant,
  limitConnections,
];

/** Takes a connection through all steps. */
export function admit(namespace: string, address: string | undefined, auth: unknown, gate: Gate): Admission {
  const attempt: Attempt = { namespace, address, auth, handshake: {}, claims: { clientId: "" }, standing: "anonymous" };
  for (const step of STEPS) step(attempt, gate);
  const { claims, standing, handshake } = attempt;
  return {
    identity: identityOf(claims.clientId, claims),
    standing,
    session: handshake.session,
    together: handshake.together ?? false,
    brief: handshake.brief ?? false,
    expiresAt: claims.expiresAt,
  };
}

function refuseWhileDraining(_attempt: Attempt, gate: Gate): void {
  if (gate.isDraining()) throw new WaybillError("DRAINING", "The hub is going down: connect again later.");
}

function checkNamespace({ namespace }: Attempt, gate: Gate): void {
  if (gate.namespaces.includes(namespace)) return;
  throw new WaybillError("FORBIDDEN", `There is no namespace "${namespace}".`);
}

function readAuth(attempt: Attempt): void {
  attempt.handshake = readHandshake(attempt.auth);
}

function identify(attempt: Attempt, gate: Gate): void {
  const { handshake, address } = attempt;
  if (gate.authSecret !== "") {
    if (handshake.token === undefined) throw new WaybillError("UNAUTHENTICATED", "This hub asks for a token.");
    attempt.claims = proveToken(handshake.token, gate.authSecret, gate.now());
    attempt.standing = "proven";
    return;
  }
  // An app's own server may listen anywhere; without tokens only this machine is let in through it. A Unix socket has no address.
  if (address !== undefined && !isLoopback(address)) {
    throw new WaybillError(
      "UNAUTHENTICATED",
      "This hub has no secret to check tokens with: only its own machine may connect.",
    );
  }
  attempt.standing = handshake.clientId === undefined ? "anonymous" : "stated";
  // Whoever may take any name may do as that client could: let them put others into rooms themselves.
  attempt.claims = { clientId: handshake.clientId ?? `anon-${randomBytes(6).toString("hex")}`, operator: true };
}

function checkStatedName({ handshake, claims }: Attempt): void {
  if (handshake.clientId === undefined || handshake.clientId === claims.clientId) return;
  throw new WaybillError("UNAUTHENTICATED", `The token is "${claims.clientId}"'s, not "${handshake.clientId}"'s.`);
}

function checkNamespaceGrant({ namespace, claims }: Attempt): void {
  if (claims.namespaces === undefined || compilePatterns(claims.namespaces)(namespace)) return;
  throw new WaybillError("FORBIDDEN", `${claims.clientId} may not connect to the namespace "${namespace}".`);
}

function limitConnections({ namespace, claims, handshake }: Attempt, gate: Gate): void {
  gate.checkRoomFor(claims.clientId, namespace, handshake.session);
}
