/** One thing Atoll needs of the machine: how to see whether it is there, and how to get it. */

import type { Machine } from "./machine.ts";
import type { Step } from "./progress.ts";

export interface Context {
  readonly machine: Machine;
  readonly stateDirectory: string;
  readonly signal: AbortSignal;
}

export interface Requirement {
  readonly name: string;
  /** What it is needed for, completing "needed for ...". */
  readonly why: string;
  /** Atoll works without it, with less. */
  readonly isOptional?: true;
  check(context: Context): Promise<Finding>;
  readonly fix: Fix;
}

export type Finding =
  | { readonly isFound: true; readonly version?: string | undefined; readonly path?: string | undefined }
  | { readonly isFound: false; readonly detail: string };

export type Fix =
  | { readonly kind: "packages"; readonly packages: readonly string[] }
  | {
      readonly kind: "act";
      /** Title of the step, as "making the base image". */
      readonly title: string;
      /** What to do where set-up cannot do it, in one sentence. */
      readonly byHand: string;
      act(context: Context, step: Step): Promise<void>;
    };
