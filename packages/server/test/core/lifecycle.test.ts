import assert from "node:assert/strict";
import { test } from "node:test";
import type { SandboxState } from "@atoll/protocol";
import { isLegalMove, moved } from "../../src/sandboxes/lifecycle.ts";
import { type Facts, nextStep } from "../../src/sandboxes/next-step.ts";
import { withEntry } from "../../src/sandboxes/timeline.ts";

const states: readonly SandboxState[] = ["queued", "starting", "running", "finished"];

test("a sandbox moves forward only, and may finish from any state but finished", () => {
  const legal = states.flatMap((from) => states.filter((to) => isLegalMove(from, to)).map((to) => `${from} ${to}`));
  assert.deepEqual(legal, [
    "queued starting",
    "queued finished",
    "starting running",
    "starting finished",
    "running finished",
  ]);
});

test("an illegal move is refused as a defect", () => {
  assert.throws(() => moved("finished", "running"), /cannot go from finished to running/);
});

const running: Facts = {
  state: "running",
  isDestroyed: false,
  isBusy: false,
  ending: undefined,
  mainResult: undefined,
  holderEnd: undefined,
  startedAt: 1000,
  deadlineAt: 5000,
  timeoutMs: 4000,
  idleTimeoutMs: undefined,
  hasRunningExec: false,
  hasConnection: false,
  lastActiveAt: undefined,
  connectBy: Number.POSITIVE_INFINITY,
  retryAt: 0,
};

test("a running sandbox is left alone until its deadline", () => {
  assert.deepEqual(nextStep(running, 4999), { act: "wait", until: 5000 });
});

test("a sandbox past its deadline ends as timed out, with exit code 124", () => {
  const step = nextStep(running, 5000);
  assert.ok(step.act === "end");
  assert.deepEqual([step.result.kind, step.result.exitCode], ["timed_out", 124]);
});

test("idle time counts from the start or the last activity, whichever is later, and not while an exec runs", () => {
  const idle = { ...running, idleTimeoutMs: 500 };
  assert.deepEqual(nextStep(idle, 1499), { act: "wait", until: 1500 });
  assert.equal(nextStep(idle, 1500).act, "end");
  assert.deepEqual(nextStep({ ...idle, lastActiveAt: 1400 }, 1500), { act: "wait", until: 1900 });
  assert.deepEqual(nextStep({ ...idle, hasRunningExec: true }, 4000), { act: "wait", until: 5000 });
});

test("how the command ended counts for more than a holder that is gone or a deadline that has passed", () => {
  const mainResult = { kind: "exited", exitCode: 3 } as const;
  const holderEnd = { at: new Date(), outOfMemory: false };
  assert.deepEqual(nextStep({ ...running, mainResult, holderEnd }, 9000), { act: "end", result: mainResult });
});

test("an init that does not come back while its holder lives is given up when its time is over", () => {
  const step = nextStep({ ...running, connectBy: 2000 }, 2000);
  assert.ok(step.act === "end");
  assert.equal(step.result.kind, "lost");
});

test("a finished sandbox is removed, then forgotten, and not before the time of its next attempt", () => {
  const finished = { ...running, state: "finished" } as const;
  assert.deepEqual(nextStep(finished, 0), { act: "destroy" });
  assert.deepEqual(nextStep({ ...finished, isDestroyed: true }, 0), { act: "forget" });
  assert.deepEqual(nextStep({ ...finished, retryAt: 100 }, 99), { act: "wait", until: 100 });
});

test("nothing is begun for a sandbox for which something is under way", () => {
  assert.equal(nextStep({ ...running, isBusy: true }, 9000).act, "wait");
});

test("a timeline keeps its first hundred entries and the end", () => {
  let timeline = withEntry([], "queued", 0);
  for (let index = 0; index < 200; index += 1) timeline = withEntry(timeline, "disconnected", index);
  timeline = withEntry(timeline, "finished", 1000);
  assert.equal(timeline.length, 101);
  assert.equal(timeline[0]?.event, "queued");
  assert.equal(timeline.at(-1)?.event, "finished");
});
