/** The network of a sandbox. */
import type { Client } from "./client.ts";
import type { NetworkLogEntry } from "./generated/api.ts";

export type { NetworkLogEntry };

export class SandboxNetwork {
  readonly #client: Client;
  readonly #sandboxId: string;

  constructor(client: Client, sandboxId: string) {
    this.#client = client;
    this.#sandboxId = sandboxId;
  }

  /**
   * What the sandbox reached by name, what it was refused and why, and which secrets were put into its requests: an entry each destination, the
   * latest first. Also after its end, for as long as the server remembers it.
   */
  async log(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<readonly NetworkLogEntry[]> {
    const { items } = await this.#client.request("readNetworkLog", {
      params: { sandboxId: this.#sandboxId },
      ...options,
    });
    return items;
  }
}
