/** What goes wrong before or beside a request; the SDK's errors have the same `code` and `hint`. */

/** Exit codes of atoll itself, as docker, podman and env(1) use them. */
export const exitCodes = { usage: 2, failed: 125, cannotInvoke: 126, notFound: 127, brokenPipe: 141 } as const;

export class CliError extends Error {
  override readonly name: string = "CliError";
  readonly code: string;
  readonly hint: string;
  readonly exitCode: number;

  /** @param message begins with "cannot" */
  constructor(code: string, message: string, hint: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** The command line was wrong; nothing was done. */
export class UsageError extends CliError {
  override readonly name = "UsageError";

  constructor(message: string, hint: string) {
    super("usage", message, hint, exitCodes.usage);
  }
}
