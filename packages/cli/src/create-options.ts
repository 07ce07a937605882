/** What the options of the command line are called in the SDK. Pure. */
import type { ExecOptions, Pty, SandboxCreateOptions } from "@atoll/sdk";
import type { Values } from "./option.ts";
import type { commandOptions, sandboxOptions } from "./options.ts";

export function createOptions(values: Values<typeof sandboxOptions>, pty: Pty | undefined): SandboxCreateOptions {
  return {
    ...processOptions(values, pty),
    image: values.image,
    isolation: values.isolation,
    cpu: values.cpu,
    memoryBytes: values.memory,
    diskBytes: values.disk,
    pidsLimit: values.pids,
    openFilesLimit: values["open-files"],
    gpu: values.gpu,
    idleTimeoutMs: values["idle-timeout"],
    blockNetwork: values["block-network"] || undefined,
    app: values.app,
    name: values.name,
    tags: Object.keys(values.tag).length > 0 ? values.tag : undefined,
  };
}

export function processOptions(values: Values<typeof commandOptions>, pty: Pty | undefined): ExecOptions {
  return {
    env: values.env,
    secrets: values.secret,
    workdir: values.workdir,
    user: values.user,
    timeoutMs: values.timeout,
    pty,
  };
}

/** The terminal that atoll runs in, as the size and kind of the one inside. */
export function ownPty(): Pty {
  const { rows = 24, columns: cols = 80 } = process.stdout;
  return { rows, cols, term: process.env.TERM || "xterm-256color" };
}
