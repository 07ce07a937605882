import type { SandboxState } from "@atoll/protocol";

/** Which state may follow which. `finished` always comes with a result. */
const moves: Readonly<Record<SandboxState, readonly SandboxState[]>> = {
  queued: ["starting", "finished"],
  starting: ["running", "finished"],
  running: ["finished"],
  finished: [],
};

export function isLegalMove(from: SandboxState, to: SandboxState): boolean {
  return moves[from].includes(to);
}

/** @throws Error for an illegal move, which is a defect of the caller */
export function moved(from: SandboxState, to: SandboxState): SandboxState {
  if (isLegalMove(from, to)) return to;
  throw new Error(`a sandbox cannot go from ${from} to ${to}`);
}
