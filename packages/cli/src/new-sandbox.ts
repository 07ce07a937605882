/** A sandbox that lives as long as a verb of ours, and is never left behind by a Ctrl-C. */
import { App, type Client, Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { connect } from "./connect.ts";
import { untilInterrupted } from "./interrupt.ts";
import { withNotice } from "./notice.ts";

/** Creates a sandbox, and terminates it after `use` unless it has finished or was detached. */
export async function inNewSandbox(
  command: readonly string[],
  options: SandboxCreateOptions,
  use: (sandbox: Sandbox) => Promise<number>,
): Promise<number> {
  const sandbox = await untilInterrupted((signal) => createWhole(command, options, signal));
  try {
    return await use(sandbox);
  } finally {
    // What has finished need not be terminated: that saves a request.
    if (sandbox.returncode !== null) sandbox.detach();
    await sandbox[Symbol.asyncDispose]();
  }
}

async function createWhole(command: readonly string[], options: SandboxCreateOptions, signal: AbortSignal) {
  const client = await connect(signal);
  // Not told of the signal: a creation that is given up half-way would leave its sandbox behind.
  const sandbox = await createSandbox(client, command, options);
  if (signal.aborted) await sandbox.terminate();
  signal.throwIfAborted();
  return sandbox;
}

/** Creates a sandbox; the app it is to belong to is made if there is none of that name. */
export function createSandbox(client: Client, command: readonly string[], options: SandboxCreateOptions) {
  const { app } = options;
  const create = async () => {
    if (typeof app === "string") await App.lookup(app, { createIfMissing: true, client });
    return Sandbox.create(command, { ...options, client });
  };
  return withNotice("creating the sandbox", create());
}
