/** The server to talk to: the one named by ATOLL_URL, or this machine's, set up and started on first use. */
import { Client } from "@atoll/sdk";
import { runningServer } from "./state.ts";

export async function connect(signal: AbortSignal): Promise<Client> {
  if (!process.env.ATOLL_URL && !runningServer()) {
    const { startServer } = await import("./start-server.ts");
    await startServer(signal);
  }
  return new Client();
}
