import type { Sandbox } from "@atoll/sdk";
import { write } from "./print.ts";

/** Says on stderr where a new sandbox's ports are reached: stdout is the command's. */
export async function announceTunnels(sandbox: Sandbox): Promise<void> {
  const { encryptedPorts, h2Ports, unencryptedPorts } = sandbox.lastInfo;
  if (![encryptedPorts, h2Ports, unencryptedPorts].some((ports) => ports?.length)) return;
  try {
    for (const [port, { url }] of Object.entries(await sandbox.tunnels()))
      await write(process.stderr, `atoll: port ${port} is at ${url}\n`);
  } catch (error) {
    // Of a command that has ended by now there is nothing to reach.
    if ((error as { code?: unknown }).code !== "sandbox_finished") throw error;
  }
}
