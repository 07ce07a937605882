import type { Result, SandboxState } from "@atoll/protocol";
import type { HolderEnd } from "../engine/engine.ts";
import { idleTimedOut, lost, timedOut } from "../processes/result.ts";
import { idleDeadline } from "./idle.ts";

/** What the loop knows of a sandbox when it looks at it. */
export interface Facts {
  readonly state: SandboxState;
  readonly isDestroyed: boolean;
  readonly isBusy: boolean;
  /** It was asked to end, or must. */
  readonly ending: Result | undefined;
  /** Of its own command, once that has ended. */
  readonly mainResult: Result | undefined;
  readonly holderEnd: HolderEnd | undefined;
  readonly startedAt?: number | undefined;
  readonly deadlineAt?: number | undefined;
  readonly timeoutMs: number;
  readonly idleTimeoutMs?: number | undefined;
  readonly hasRunningExec: boolean;
  readonly hasConnection: boolean;
  readonly lastActiveAt?: number | undefined;
  readonly connectBy: number;
  /** Not before then, after a failure. */
  readonly retryAt: number;
}

export type Step =
  | { readonly act: "end"; readonly result: Result }
  | { readonly act: "holder_gone"; readonly end: HolderEnd }
  | { readonly act: "destroy" }
  | { readonly act: "forget" }
  | { readonly act: "wait"; readonly until: number };

const forEver = Number.POSITIVE_INFINITY;

/** The one decision of the reconcile loop, pure: what closes the gap between what a sandbox should be and what it is. */
export function nextStep(facts: Facts, now: number): Step {
  if (facts.isBusy) return { act: "wait", until: forEver };
  if (facts.retryAt > now) return { act: "wait", until: facts.retryAt };
  if (facts.state === "finished") return { act: facts.isDestroyed ? "forget" : "destroy" };
  if (facts.state !== "running") return { act: "wait", until: forEver };
  const result = facts.ending ?? facts.mainResult ?? overdue(facts, now);
  if (result) return { act: "end", result };
  if (facts.holderEnd) return { act: "holder_gone", end: facts.holderEnd };
  return { act: "wait", until: Math.min(facts.deadlineAt ?? forEver, facts.connectBy, idleAt(facts)) };
}

function overdue(facts: Facts, now: number): Result | undefined {
  if ((facts.deadlineAt ?? forEver) <= now)
    return timedOut(`the sandbox reached its time limit of ${facts.timeoutMs} ms`);
  if (idleAt(facts) <= now) return idleTimedOut(`the sandbox was idle for ${facts.idleTimeoutMs} ms`);
  if (facts.connectBy <= now && !facts.holderEnd) return lost("the sandbox's init did not connect");
  return undefined;
}

function idleAt(facts: Facts): number {
  return idleDeadline({ ...facts, startedAt: facts.startedAt ?? forEver });
}
