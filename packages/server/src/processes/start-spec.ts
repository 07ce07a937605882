import type { Pty } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { StartRequest } from "../init/messages.ts";

const mostStartBytes = 1_000_000;

/** What a process is started with. */
export interface StartSpec {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly user: string;
  readonly openFilesLimit: number;
  readonly pty?: Pty | undefined;
  readonly keepsStdin: boolean;
  readonly timeoutMs?: number | undefined;
}

/** What init is told of it. */
export function startOf(process: number, spec: StartSpec): StartRequest {
  return {
    process,
    pty: spec.pty && { rows: spec.pty.rows, cols: spec.pty.cols },
    stdin: spec.keepsStdin,
    openFilesLimit: spec.openFilesLimit,
    user: spec.user,
    cwd: spec.workdir,
    argv: [...spec.argv],
    env: variablesOf(spec),
  };
}

/**
 * A START frame has 1 MiB at most. Each string takes 4 bytes more than its own; names and numbers take less than the rest.
 * @throws AtollError payload_too_large
 */
export function checkSize(spec: Pick<StartSpec, "argv" | "environment">): void {
  const bytes = [...spec.argv, ...variablesOf(spec)].reduce((sum, text) => sum + Buffer.byteLength(text) + 4, 0);
  if (bytes <= mostStartBytes) return;
  throw new AtollError(
    "payload_too_large",
    `cannot start a process with ${bytes} bytes of arguments and environment: ${mostStartBytes} are the most`,
    "Pass large data through stdin or a file.",
  );
}

function variablesOf({ environment }: Pick<StartSpec, "environment">): string[] {
  return Object.entries(environment).map(([name, value]) => `${name}=${value}`);
}
