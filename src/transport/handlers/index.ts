import type { ClientToHubEvents } from "../../protocol/wire";
import { ack } from "./ack";
import { cancel } from "./cancel";
import { consume } from "./consume";
import { dead } from "./dead";
import { extend } from "./extend";
import type { Handler } from "./handler";
import { join } from "./join";
import { leave } from "./leave";
import { nack } from "./nack";
import { publish } from "./publish";
import { purge } from "./purge";
import { redrive } from "./redrive";
import { why } from "./why";

const BY_EVENT: Readonly<Record<keyof ClientToHubEvents, Handler>> = {
  publish,
  consume,
  cancel,
  ack,
  nack,
  extend,
  join,
  leave,
  dead,
  redrive,
  purge,
  why,
};

/** The protocol's requests, by event. */
export const HANDLERS: ReadonlyMap<string, Handler> = new Map(Object.entries(BY_EVENT));
