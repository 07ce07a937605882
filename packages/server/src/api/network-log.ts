import type { NetworkLog } from "../sandboxes/network-log.ts";
import type { Handlers } from "./call.ts";

export function networkLogHandlers(log: NetworkLog): Pick<Handlers, "readNetworkLog"> {
  return { readNetworkLog: async ({ params }) => ({ items: await log.of(params.sandboxId) }) };
}
