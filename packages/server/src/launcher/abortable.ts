/** Stops waiting when the signal says so, with its reason; what arrives afterwards is handed to `abandoned`. */
export async function abortable<T>(
  start: () => Promise<T>,
  signal: AbortSignal | undefined,
  abandoned?: (value: T) => void,
): Promise<T> {
  signal?.throwIfAborted();
  const started = start();
  if (signal === undefined) return started;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    started.then(abandoned, () => undefined);
    reject(signal.reason);
  };
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([started, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
