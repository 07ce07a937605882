import { constants } from "node:os";
import type { Result } from "@atoll/protocol";

/** GenericResult.status */
const statuses: Readonly<Record<Result["kind"], number>> = {
  exited: 2,
  signalled: 2,
  terminated: 3,
  timed_out: 4,
  failed_to_start: 5,
  lost: 6,
  idle_timed_out: 7,
  out_of_memory: 2,
};
const success = 1;

/** How a sandbox ended, in their words. */
export function genericResult(result: Result) {
  const isSuccess = result.kind === "exited" && result.exitCode === 0;
  return {
    status: isSuccess ? success : statuses[result.kind],
    exitcode: result.exitCode,
    exception: result.message ?? "",
  };
}

type ProcessEnd = { case: "code"; value: number } | { case: "signal"; value: number };

/** How a process ended: a signal is added to 128 by the client. A time limit is a kill. */
export function processEnd(result: Result): ProcessEnd {
  if (result.kind === "timed_out") return { case: "signal", value: constants.signals.SIGKILL };
  if (result.kind === "signalled") return { case: "signal", value: result.exitCode - 128 };
  return { case: "code", value: result.exitCode };
}
