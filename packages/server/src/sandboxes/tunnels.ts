import type { LiveSandbox } from "./live-sandbox.ts";

/** What the core asks of the ways in. They close by themselves when the sandbox is over. */
export interface Tunnels {
  /** Opens the ports of a sandbox that has a holder, and notes the machine's ports in its row. */
  open(live: LiveSandbox, signal: AbortSignal): Promise<void>;
  /**
   * Opens the ports of an earlier server's sandbox again. One that another program holds by now is tried until it is free: the
   * sandbox lives on without it. Never rejects.
   */
  reopen(live: LiveSandbox, signal: AbortSignal): Promise<void>;
  /** Once the row has another network policy: a blocked sandbox lets nobody in, and its tunnels' connections end. */
  obeyPolicy(live: LiveSandbox): Promise<void>;
}
