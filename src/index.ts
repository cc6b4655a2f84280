/** What the package gives: the hub to start inside a program, the client to use it, and the words between them. */
export * from "../clients/hub-client";
export { createHub, type Hub, type HubOptions, type HubParts } from "./hub";
export { QueuesFileError } from "./queues-file";
export { SettingError } from "./read-config";
export { ERRORS, type ErrorCode, type WireError } from "./protocol/errors";
export type * from "./protocol/wire";
export type { Store } from "./queue/store";
export type { Log } from "./transport/log";
