import type { Hub } from "../../src/hub";
import { startHub } from "../support/start-hub";
import { connectStock, type StockClient } from "../support/stock-client";

/** A hub, and a client of it named `acme`. */
export async function startWithClient(
  options: Parameters<typeof startHub>[0] = {},
): Promise<{ hub: Hub; url: string; client: StockClient }> {
  const { hub, url } = await startHub(options);
  const { client } = await connectStock(url, { auth: { clientId: "acme" } });
  return { hub, url, client };
}
