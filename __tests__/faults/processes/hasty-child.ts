/** A store that confirms before it has stored, under the crash test: it must be found out. */
import { runChild } from "../../../bin/prove/crash-child";
import type { NewMessage } from "../../../src/queue/message";
import type { AppendResult, Store } from "../../../src/queue/store";

const LATE_MS = 30;

function hasty(store: Store): Store {
  const append = (messages: readonly NewMessage[]): Promise<readonly AppendResult[]> => {
    setTimeout(() => void store.append(messages), LATE_MS);
    return new Promise((resolve) => setTimeout(() => resolve(messages.map(() => ({ status: "stored", seq: 1 }))), 1));
  };
  return new Proxy(store, {
    get: (target, name: keyof Store) => {
      if (name === "append") return append;
      const part = target[name];
      return typeof part === "function" ? part.bind(target) : part;
    },
  });
}

void runChild(hasty);
