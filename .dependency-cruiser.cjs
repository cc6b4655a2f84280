/**
 * Who may import whom:
 *
 *   main ─▶ hub ─┬─▶ transport ─┐
 *                ├─▶ caps ──────┼─▶ queue ─▶ protocol ◀─ clients
 *                └─▶ stores ────┘
 *
 * Types count as imports do: a layer that knows another one's types knows that layer.
 */

/** A layer may import itself and the folders named here, and nothing else of ours. */
const mayOnlyImport = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { path: "^(src|clients|bin|bench|demo|examples|__tests__)/", pathNot: [from, ...allowed] },
});

const PACKAGES = ["npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg", "npm-unknown"];

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    mayOnlyImport(
      "protocol-stands-alone",
      "^src/protocol/",
      [],
      "The wire contract is shared with the clients: it knows nobody.",
    ),
    mayOnlyImport(
      "queue-knows-protocol-only",
      "^src/queue/",
      ["^src/protocol/"],
      "The domain declares ports; it knows no adapter.",
    ),
    mayOnlyImport(
      "transport-knows-queue",
      "^src/transport/",
      ["^src/(queue|protocol)/"],
      "Transport, caps and stores never import each other.",
    ),
    mayOnlyImport(
      "caps-knows-queue",
      "^src/caps/",
      ["^src/(queue|protocol)/"],
      "Transport, caps and stores never import each other.",
    ),
    mayOnlyImport(
      "stores-know-queue",
      "^src/stores/",
      ["^src/(queue|protocol)/"],
      "Transport, caps and stores never import each other.",
    ),
    mayOnlyImport("clients-know-protocol", "^clients/", ["^src/protocol/"], "Clients and hub meet on the wire only."),
    mayOnlyImport(
      "client-library-knows-the-contract",
      "^clients/hub-client",
      ["^src/protocol/(errors|id-table|json-text|message-ids|names|nesting|wire)\\.ts$"],
      "The library is loaded into browsers: the schemas stay with the hub.",
    ),
    {
      name: "main-is-the-top",
      comment: "Only the command line starts the program.",
      severity: "error",
      from: { pathNot: ["^src/main\\.ts$", "^bin/"] },
      to: { path: "^src/main\\.ts$" },
    },
    {
      name: "hub-knows-no-client",
      comment: "The package gives both, so its list of exports is the one place that names both.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/index\\.ts$" },
      to: { path: "^(clients|bin)/" },
    },
    {
      name: "hub-is-chosen-at-the-top",
      comment: "The composition root and the settings are below main, and above everything else.",
      severity: "error",
      from: { path: "^src/(protocol|queue|transport|caps|stores)/" },
      to: { path: "^src/[^/]+\\.ts$" },
    },
    {
      name: "protocol-reads-with-zod-only",
      comment: "Names, shapes and errors need no package; only the schemas of requests and their fields do.",
      severity: "error",
      from: { path: "^src/protocol/", pathNot: "^src/protocol/(requests|fields|json-text)\\.ts$" },
      to: { dependencyTypes: [...PACKAGES, "core"] },
    },
    {
      name: "requests-read-with-zod",
      severity: "error",
      from: { path: "^src/protocol/(requests|fields)\\.ts$" },
      to: { dependencyTypes: [...PACKAGES, "core"], pathNot: "node_modules/zod/" },
    },
    {
      name: "protocol-writes-with-the-parser-only",
      severity: "error",
      from: { path: "^src/protocol/json-text\\.ts$" },
      to: { dependencyTypes: [...PACKAGES, "core"], pathNot: "node_modules/socket\\.io-parser/" },
    },
    {
      name: "queue-uses-no-package",
      comment: "No sockets, no database, no logger in the domain.",
      severity: "error",
      from: { path: "^src/queue/" },
      to: { dependencyTypes: PACKAGES },
    },
    {
      name: "queue-does-no-io",
      severity: "error",
      from: { path: "^src/queue/" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?crypto$" },
    },
    {
      name: "client-library-runs-in-browsers",
      comment: "Its dependencies are the socket.io client and its parser; Node's own modules are not there.",
      severity: "error",
      from: { path: "^clients/hub-client" },
      to: { dependencyTypes: [...PACKAGES, "core"], pathNot: "node_modules/socket\\.io-(client|parser)/" },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-orphans",
      comment: "Code that nothing uses is deleted.",
      severity: "error",
      from: { orphan: true, pathNot: "\\.d\\.ts$" },
      to: {},
    },
    {
      name: "tests-are-not-shipped",
      severity: "error",
      from: { path: "^(src|clients|bin)/" },
      to: { path: "^(__tests__|bench|demo|examples)/" },
    },
    {
      name: "dev-packages-are-not-shipped",
      severity: "error",
      from: { path: "^(src|clients|bin)/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "imports-resolve",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      extensions: [".ts", ".js", ".json"],
      exportsFields: ["exports"],
      conditionNames: ["require", "node", "default", "types"],
    },
  },
};
