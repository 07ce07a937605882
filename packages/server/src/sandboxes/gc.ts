import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { GcReport } from "@atoll/protocol";
import type { Leak } from "../engine/engine.ts";
import type { Context } from "./context.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** Finds what belongs to no sandbox, and removes it unless it is a dry run. */
export type Gc = (isDryRun: boolean, signal: AbortSignal) => Promise<GcReport["found"]>;

/** @param sweep what the engines know of that belongs to no holder */
export function gc(
  sandboxes: Sandboxes,
  { state, store, log }: Context,
  sweep: (signal: AbortSignal) => Promise<Leak[]>,
): Gc {
  return async (isDryRun, signal) => {
    const leaks = [...(await sweep(signal))];
    const ids = () => new Set([...store.sandboxes.ids(), ...sandboxes.ids()]);
    leaks.push(...(await strays(state.output, ids)));
    leaks.push(...(await strays(state.run, () => sandboxes.holderKeys(), isKey)));
    const found: GcReport["found"] = [];
    for (const leak of leaks) found.push({ ...described(leak), removed: !isDryRun && (await remove(leak)) });
    return found;
  };

  async function remove(leak: Leak): Promise<boolean> {
    try {
      await leak.remove();
      return true;
    } catch (error) {
      log.error({ ...described(leak), err: error }, "cannot remove what belongs to no sandbox");
      return false;
    }
  }
}

/** Control directories have the key of their sandbox as their name; other things in `run` belong to the engines. */
function isKey(name: string): boolean {
  return /^[0-9A-Za-z]{22}$/.test(name);
}

async function strays(
  directory: string,
  known: () => ReadonlySet<string>,
  isOurs: (name: string) => boolean = () => true,
): Promise<Leak[]> {
  const there = await readdir(directory);
  // Looked up only now, so that what was made while the directory was read is known.
  const ours = known();
  const names = there.filter((name) => isOurs(name) && !ours.has(name));
  return names.map((name) => {
    const what = join(directory, name);
    return { kind: "file", what, remove: () => rm(what, { recursive: true, force: true }) };
  });
}

function described({ kind, what }: Leak): { kind: Leak["kind"]; what: string } {
  return { kind, what };
}
