/** Cancellation: waits that end with an `AbortSignal`, and the error they end with. */
import { AbortedError, type AtollError, TimeoutError } from "./errors.ts";

/** The error for an aborted signal: `TimeoutError` if it came from `AbortSignal.timeout`, else `AbortedError`. */
export function abortError(signal: AbortSignal): AtollError {
  const reason: unknown = signal.reason;
  if (reason instanceof Error && reason.name === "TimeoutError") {
    const hint = "Give the call's signal more time.";
    return new TimeoutError("cannot finish within the time limit of the signal", {
      code: "timeout",
      hint,
      cause: reason,
    });
  }
  return new AbortedError("cannot finish: the signal was aborted", {
    code: "aborted",
    hint: "The signal passed to the call was aborted; its reason is the cause.",
    cause: reason,
  });
}

/** Throws when the signal is aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** Waits for the given time, or throws as soon as the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal));
    const onAbort = () => {
      clearTimeout(timer);
      reject(abortError(signal as AbortSignal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** The promise's outcome, or an error as soon as the signal is aborted. The work behind the promise goes on. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortError(signal));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
