import { connect } from "../../clients/hub-client";
import type { Link, Target } from "./link";

export async function open({ url, queue, window }: Target, handle: (order: unknown) => void): Promise<Link> {
  const client = connect(url, { clientId: "bench" });
  await client.consume(queue, ({ payload }) => handle(payload), { prefetch: window * 2 });
  return {
    publish: (order) => client.publish({ queue, event: "pickup", payload: order }),
    close: () => client.close(),
  };
}
