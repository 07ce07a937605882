/** What went wrong, on stderr: "atoll: cannot ...", and what to do next. */
import { exitCodes } from "./errors.ts";
import { Interrupted } from "./interrupt.ts";
import { paint, write } from "./print.ts";

interface Told {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly requestId?: string | undefined;
}

/** @returns the exit code */
export async function reportError(error: unknown, isJson: boolean): Promise<number> {
  // The reader of our output has gone, which a program that is piped into another says by SIGPIPE.
  if (isBrokenPipe(error)) return exitCodes.brokenPipe;
  if (error instanceof Interrupted) return error.exitCode;
  const told = tell(error);
  const text = isJson ? JSON.stringify({ error: told }) : asText(told);
  await write(process.stderr, `${text}\n`).catch(() => undefined);
  return exitCodeOf(error);
}

export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "EPIPE";
}

function tell(error: unknown): Told {
  if (isTold(error)) {
    const { code, message, hint, requestId } = error;
    return { code, message, hint, ...(requestId ? { requestId } : {}) };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: "internal", message, hint: "This is a defect in the atoll command." };
}

/** The SDK's errors and our own; told by their shape, so that printing one does not load the SDK. */
function isTold(error: unknown): error is Told {
  return error instanceof Error && "hint" in error && "code" in error;
}

function asText({ message, hint, requestId }: Told): string {
  const request = requestId ? `\n  Request ${requestId} in the server's log.` : "";
  return `${paint("red", "atoll:", process.stderr)} ${message}\n  ${hint}${request}`;
}

function exitCodeOf(error: unknown): number {
  const own = (error as { exitCode?: unknown }).exitCode;
  if (typeof own === "number") return own;
  return exitCodes.failed;
}
