import type { BrokenPromise } from "../mutant";
import { CONNECTING, PROMISES } from "./suites";

const OWN_BUSINESS_ONLY = { file: PROMISES, test: "on the memory store 8. Own business only" };

export const OWN_BUSINESS: BrokenPromise = {
  promise: "Own business only",
  mutants: [
    {
      name: "who-is-read-for-takes-the-room-of-those-who-wait",
      file: "src/stores/ledger/paging.ts",
      find: "      this.goOn();\n      if (result !== undefined) this.arrived(queue);",
      replace: "      if (result !== undefined) this.arrived(queue);\n      this.goOn();",
      caughtBy: { file: "__tests__/stores/paging.test.ts", test: "leave others their turn" },
    },
    {
      name: "any-inbox-consumable",
      file: "src/queue/identity.ts",
      find: "isInbox(queue) ? queue === inbox : consume === undefined",
      replace: "isInbox(queue) ? queue.length >= inbox.length - queue.length : consume === undefined",
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "consume-permission-skipped",
      file: "src/queue/consumers.ts",
      find: "if (!session.identity.mayConsume(queueName)) {",
      replace: 'if (queueName === "") {',
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "publish-permission-skipped",
      file: "src/queue/publisher.ts",
      find: "if (!identity.mayPublish(name)) {",
      replace: 'if (name === "") {',
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "join-permission-skipped",
      file: "src/queue/rooms.ts",
      find: "if (inbox.own && !session.identity.mayJoin(room)) {",
      replace: 'if (room === "") {',
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "invite-permission-skipped",
      file: "src/queue/rooms.ts",
      find: "if (!own && !identity.mayInvite(room)) {",
      replace: 'if (room === "") {',
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "operator-not-asked-for",
      file: "src/queue/identity.ts",
      find: "if (!operator) throw",
      replace: 'if (clientId === "") throw',
      caughtBy: OWN_BUSINESS_ONLY,
    },
    {
      name: "token-not-proved",
      file: "src/transport/token.ts",
      find: 'jwt.verify(token, secret, { algorithms: ["HS256"], clockTimestamp: Math.floor(now / 1000) });',
      replace: "jwt.decode(token);",
      caughtBy: { file: CONNECTING, test: "a hub with a secret refuses another secret's" },
    },
    {
      name: "token-without-end",
      file: "src/transport/token.ts",
      find: 'algorithms: ["HS256"],',
      replace: 'algorithms: ["HS256"], ignoreExpiration: true,',
      caughtBy: { file: CONNECTING, test: "a hub with a secret refuses an expired one" },
    },
    {
      name: "dead-letters-of-another-namespace",
      file: "src/stores/ledger/tracing.ts",
      find: "all.filter((queue) => namespaceOf(queue.address) === namespace)",
      replace: "all",
      caughtBy: { file: "__tests__/queue/whereabouts.test.ts", test: "nothing of other namespaces" },
    },
    {
      name: "caps-shop-joins-in-any-name",
      file: "src/caps/consumption.ts",
      find: "if (clientId !== name && !line.becomeClient(name)) {",
      replace: "if (!isStoreName(name)) {",
      caughtBy: { file: "__tests__/caps/identity.test.ts", test: "with tokens the name must be its own" },
    },
    {
      name: "token-that-ends-leaves-its-connection",
      file: "src/transport/connection.ts",
      find: "if (admission.expiresAt !== undefined) this.endAt(admission.expiresAt);",
      replace: "",
      caughtBy: { file: CONNECTING, test: "ends a connection when its token expires" },
    },
    {
      name: "namespaces-of-a-token-ignored",
      file: "src/transport/admission.ts",
      find: "if (claims.namespaces === undefined || compilePatterns(claims.namespaces)(namespace)) return;",
      replace: 'if (claims.namespaces === undefined || namespace !== "") return;',
      caughtBy: { file: CONNECTING, test: "opens only the namespaces that a token names" },
    },
  ],
};
