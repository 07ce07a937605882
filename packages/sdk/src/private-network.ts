/** Private networks, which sandboxes are put into by the option `network` of `Sandbox.create`. */
import type { App } from "./app.ts";
import { type CallOptions, defaultClient } from "./client.ts";
import type { PrivateNetwork as PrivateNetworkInfo } from "./generated/api.ts";

export type { PrivateNetworkInfo };

export interface PrivateNetworkListOptions extends CallOptions {
  /** Only those of this app. */
  readonly app?: App | string | undefined;
}

export const PrivateNetwork = {
  /** Those that have members, by app and name. A network is there for as long as a sandbox is in it. */
  async list(options: PrivateNetworkListOptions = {}): Promise<readonly PrivateNetworkInfo[]> {
    const { client = defaultClient(), signal, app } = options;
    const query = { app: typeof app === "object" ? app.name : app };
    return (await client.request("listNetworks", { query, signal })).items;
  },
};
