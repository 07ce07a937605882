/** Idle time, pure. A sandbox is active while a process that exec started is running, and at each write to a stdin. A connection through a tunnel keeps it active too. */

/**
 * Activity is stored no finer than this, so that a busy sandbox does not commit at each keystroke; after a restart the
 * sandbox seems idle for at most so much longer than it was.
 */
export function activityPrecisionMs(idleTimeoutMs: number): number {
  return Math.min(1000, idleTimeoutMs / 20);
}

export interface IdleFacts {
  readonly idleTimeoutMs?: number | undefined;
  readonly hasRunningExec: boolean;
  readonly hasConnection: boolean;
  readonly startedAt: number;
  readonly lastActiveAt?: number | undefined;
}

/** When the sandbox will have been idle for too long; never, while it is active. */
export function idleDeadline(facts: IdleFacts): number {
  if (facts.idleTimeoutMs === undefined || facts.hasRunningExec || facts.hasConnection) return Number.POSITIVE_INFINITY;
  return Math.max(facts.startedAt, facts.lastActiveAt ?? 0) + facts.idleTimeoutMs;
}
