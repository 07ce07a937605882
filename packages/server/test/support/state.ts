import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

type Hooks = Pick<TestContext, "after">;
const unwinding = new WeakMap<Hooks, (() => unknown)[]>();

/** Has something undone when the test ends, pass or fail: last made, first undone. Hooks of node:test run the other way round. */
export function undoAfter(t: Hooks, undo: () => unknown): void {
  const stack = unwinding.get(t);
  if (stack) return void stack.push(undo);
  const first = [undo];
  unwinding.set(t, first);
  t.after(async () => {
    for (let next = first.pop(); next; next = first.pop()) await next();
  });
}

/** A directory of the test's own, removed when it ends. */
export function temporaryDirectory(t: Hooks): string {
  const path = mkdtempSync(join(tmpdir(), "atoll-core-"));
  undoAfter(t, () => rmSync(path, { recursive: true, force: true }));
  return path;
}
