/** What may go wrong at a call to the launcher while a sandbox is made. */
import type { Launcher, WatchedProcess } from "../../packages/server/src/launcher/client.ts";

export type Step = "run" | "spawnWatched" | "watch" | "claim";

interface Call {
  /** Does what was asked. */
  readonly act: (...given: unknown[]) => Promise<unknown>;
  readonly given: readonly unknown[];
  /** Aborts the creation. */
  readonly abort: AbortController;
  readonly launcher: Launcher;
}

export interface Fault {
  readonly name: string;
  /** Calls that it can happen to; all when absent. */
  readonly steps?: readonly Step[];
  happen(call: Call): Promise<unknown>;
}

export interface Attempt {
  readonly isolation: string;
  readonly fault: string;
  /** Number of the call that went wrong. */
  readonly at: number;
  /** Absent when the creation made fewer calls. */
  readonly step?: Step | undefined;
  readonly calls: number;
  readonly error?: string | undefined;
  /** What is on the machine that was not there before. */
  readonly left: object;
  readonly swept: readonly string[];
}

export const faults: readonly Fault[] = [
  {
    name: "the call fails",
    happen: async () => {
      throw new Error("the call was made to fail");
    },
  },
  {
    name: "the answer is lost",
    happen: async ({ act, given }) => {
      await act(...given);
      throw new Error("the answer was made to be lost");
    },
  },
  {
    name: "the creation is aborted just before",
    happen: ({ act, given, abort }) => {
      abort.abort(new Error("aborted"));
      return act(...given);
    },
  },
  {
    name: "the creation is aborted in the middle",
    happen: ({ act, given, abort }) => {
      const acted = act(...given);
      setTimeout(() => abort.abort(new Error("aborted")), 3);
      return acted;
    },
  },
  {
    name: "the program is missing",
    steps: ["run", "spawnWatched"],
    happen: ({ act, given: [, ...options] }) => act(["/nonexistent/program"], ...options),
  },
  {
    name: "the program fails",
    steps: ["run", "spawnWatched"],
    happen: ({ act, given: [, ...options] }) => act(["false"], ...options),
  },
  {
    name: "the program is killed",
    steps: ["spawnWatched"],
    happen: async ({ act, given }) => {
      const process = (await act(...given)) as WatchedProcess;
      // It may have been faster.
      await process.kill(9).catch(() => undefined);
      return process;
    },
  },
  {
    name: "the sandbox's init is killed",
    steps: ["watch"],
    happen: async ({ act, given }) => {
      const process = (await act(...given)) as WatchedProcess;
      await process.kill(9);
      return process;
    },
  },
];
