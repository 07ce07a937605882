import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { examine } from "../../src/setup/doctor.ts";
import { type Machine, readMachine } from "../../src/setup/machine.ts";
import { type Progress, showProgress } from "../../src/setup/progress.ts";
import type { Context, Requirement } from "../../src/setup/requirement.ts";
import { mustBeLinuxRoot, setUp } from "../../src/setup/set-up.ts";
import { SetupError } from "../../src/setup/setup-error.ts";
import { withSetupLock } from "../../src/setup/setup-lock.ts";

const machine = await readMachine();
const signal = new AbortController().signal;
const context: Context = { machine, stateDirectory: "/nonexistent", signal };
const silent: Progress = showProgress({ write: () => undefined });

function acting(parts: Partial<Requirement>, act: () => Promise<void>): Requirement {
  return {
    name: "thing",
    why: "testing",
    check: async () => ({ isFound: false, detail: "it is missing" }),
    fix: { kind: "act", title: "getting the thing", byHand: "Get it.", act },
    ...parts,
  };
}

describe("set-up", () => {
  test("acts for what is missing and leaves alone what is there", async () => {
    const acted: string[] = [];
    const there = acting({ check: async () => ({ isFound: true }) }, async () => void acted.push("there"));
    await setUp([acting({}, async () => void acted.push("missing")), there], context, silent);
    assert.deepEqual(acted, ["missing"]);
  });

  test("goes on without an optional thing, and says so", async () => {
    const said: string[] = [];
    const screen = { write: (text: string) => said.push(text) };
    const failing = async () => {
      throw new SetupError("cannot get it", "hint");
    };
    await setUp([acting({ isOptional: true }, failing)], context, showProgress(screen));
    assert.match(said.join(""), /going on without thing.*cannot get it/);
    await assert.rejects(setUp([acting({}, failing)], context, silent), /cannot get it/);
  });

  test("does not go on after a defect, even of an optional thing", async () => {
    const broken = acting({ isOptional: true }, async () => {
      throw new TypeError("defect");
    });
    await assert.rejects(setUp([broken], context, silent), TypeError);
  });

  test("names the packages to install by hand where there is no apt", async () => {
    const fedora: Machine = { platform: "linux", isRoot: true, osRelease: { ID: "fedora" } };
    const needed: Requirement = acting(
      { fix: { kind: "packages", packages: ["crun", "nftables"] } },
      async () => undefined,
    );
    await assert.rejects(
      setUp([needed], { ...context, machine: fedora }, silent),
      /Debian packages: crun nftables.*neither Debian nor Ubuntu/,
    );
  });

  test("needs Linux and root", () => {
    assert.throws(() => mustBeLinuxRoot({ ...machine, platform: "darwin" }), /on darwin/);
    assert.throws(() => mustBeLinuxRoot({ ...machine, isRoot: false }), /without being root/);
  });
});

test("two set-ups of one machine take turns", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "atoll-setup-"));
  t.after(() => rm(directory, { recursive: true }));
  const order: string[] = [];
  const { promise: isFirstIn, resolve: firstIsIn } = Promise.withResolvers<void>();
  const first = withSetupLock(
    directory,
    signal,
    () => undefined,
    async () => {
      order.push("first begins");
      firstIsIn();
      await sleep(300);
      order.push("first ends");
    },
  );
  await isFirstIn;
  await withSetupLock(
    directory,
    signal,
    () => void order.push("second waits"),
    async () => void order.push("second"),
  );
  await first;
  assert.deepEqual(order, ["first begins", "second waits", "first ends", "second"]);
});

describe("the doctor", () => {
  test("says of a missing thing why it is needed and what to do", async () => {
    const { requirements } = await examine([acting({}, async () => undefined)], context);
    assert.deepEqual(requirements, [
      {
        name: "thing",
        why: "testing",
        isOptional: false,
        isFound: false,
        detail: "it is missing",
        todo: "Run atoll setup as root. By hand: Get it.",
      },
    ]);
  });

  test("a check that breaks is reported and does not hide the others", async () => {
    const breaking = acting(
      {
        check: async () => {
          throw new Error("broken check");
        },
      },
      async () => undefined,
    );
    const { requirements } = await examine([breaking, acting({ name: "other" }, async () => undefined)], context);
    assert.deepEqual(
      requirements.map(({ name, detail }) => [name, detail]),
      [
        ["thing", "broken check"],
        ["other", "it is missing"],
      ],
    );
  });

  test("knows the programs of this machine with their versions", () => {
    const main = fileURLToPath(new URL("../../src/setup/main.ts", import.meta.url));
    const { stdout } = spawnSync(process.execPath, [main, "doctor"], { encoding: "utf8" });
    const report = JSON.parse(stdout) as Awaited<ReturnType<typeof examine>>;
    const crun = report.requirements.find(({ name }) => name === "crun");
    assert.equal(crun?.isFound, true);
    assert.match(crun?.version ?? "", /^\d+\.\d+/);
    assert.match(report.machine.find(({ name }) => name === "cgroups")?.value ?? "", /^v[12]/);
  });
});

test("on a terminal progress is one line redrawn, elsewhere one line a stage", async () => {
  const show = async (isTTY: boolean) => {
    const written: string[] = [];
    const screen = { isTTY, columns: 60, write: (text: string) => written.push(text) };
    await showProgress(screen).step("making", async (step) => {
      step.update("one", 0.25);
      step.update("one", 0.3);
      step.update("two", 0.5);
    });
    return written.join("");
  };
  const lines = (await show(false)).split("\n");
  assert.deepEqual(lines.slice(0, 3), ["atoll: making", "atoll: making: one", "atoll: making: two"]);
  assert.match(lines[3] ?? "", /^atoll: making: done in \d/);
  const redrawn = await show(true);
  assert.equal(redrawn.split("\n").length, 2);
  assert.ok(redrawn.startsWith("\r\x1b[Katoll: making"));
});
