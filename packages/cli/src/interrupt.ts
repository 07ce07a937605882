/** Ctrl-C and its kin as an aborted signal, so that what a verb has begun is ended in order. */

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type Interruption = keyof typeof numbers;

/** Thrown when one came: nothing to report, the exit code says it. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(name: Interruption) {
    super(`interrupted by ${name}`);
    this.exitCode = 128 + numbers[name];
  }
}

/**
 * Gives `work` a signal that the first interruption aborts; a second one ends the process at once.
 * @throws Interrupted
 */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = onInterruption((name) => {
    if (controller.signal.aborted) process.exit(128 + numbers[name]);
    controller.abort(new Interrupted(name));
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    stop();
  }
}

/** Calls `act` for each signal that asks to end; the result takes the listeners away again. */
export function onInterruption(act: (name: Interruption) => void): () => void {
  const names = Object.keys(numbers) as Interruption[];
  for (const name of names) process.on(name, act);
  return () => {
    for (const name of names) process.off(name, act);
  };
}
