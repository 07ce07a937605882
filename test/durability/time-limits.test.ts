import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { App, type Isolation, type Process, Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { endOf } from "../support/daemon.ts";
import { useServer } from "../support/server.ts";

useServer();

const app = "durability-limits";
before(() => App.lookup(app, { createIfMissing: true }));

for (const isolation of ["container", "gvisor"] as const) {
  describe(isolation, { concurrency: true }, () => {
    test("the time limit counts from the start of the command", async () => {
      const sandbox = await create(isolation, ["sleep", "1000"], { timeoutMs: 1500 });
      const { startedAt, deadlineAt } = await sandbox.info();
      assert.equal(Date.parse(deadlineAt ?? "") - Date.parse(startedAt ?? ""), 1500);
      assert.deepEqual(await kindAndCode(sandbox), ["timed_out", 124]);
      assert.ok(Date.parse(sandbox.lastInfo.finishedAt ?? "") >= Date.parse(deadlineAt ?? ""));
    });

    test("a sandbox in which nothing happens ends at its idle limit, its own command notwithstanding", async () => {
      const sandbox = await create(isolation, ["sh", "-c", "while :; do sleep 0.1; done"], { idleTimeoutMs: 1000 });
      assert.deepEqual(await kindAndCode(sandbox), ["idle_timed_out", 124]);
    });

    test("a process that exec started keeps a sandbox from being idle, until it ends", async () => {
      const sandbox = await create(isolation, [], { idleTimeoutMs: 3000 });
      const process = await sandbox.exec("sh", "-c", "sleep 5; echo done");
      assert.equal(await process.stdout.text(), "done\n");
      assert.equal((await process.wait()).exitCode, 0);
      assert.deepEqual(await kindAndCode(sandbox), ["idle_timed_out", 124]);
    });

    test("writing to stdin keeps a sandbox from being idle", async () => {
      const sandbox = await create(isolation, ["cat"], { idleTimeoutMs: 4000 });
      const lines = sandbox.stdout[Symbol.asyncIterator]();
      for (let number = 0; number < 12; number += 1) {
        sandbox.stdin.write(`${number}\n`);
        await sandbox.stdin.drain();
        assert.equal((await lines.next()).value, String(number));
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      assert.equal(await sandbox.poll(), null);
      assert.deepEqual(await kindAndCode(sandbox), ["idle_timed_out", 124]);
    });

    test("a process ends at its own time limit with all that it started, and its sandbox goes on", async () => {
      await using sandbox = await create(isolation, [], {});
      const process = await sandbox.exec("sh", "-c", "sleep 1000 & echo said; wait", { timeoutMs: 700 });
      assert.equal(await process.stdout.text(), "said\n");
      assert.deepEqual(await processEnd(process), ["timed_out", 124, undefined]);
      assert.equal(await sandbox.poll(), null);
    });

    test("exits, signals, terminations and time limits are told apart though their codes are equal", async () => {
      await using sandbox = await create(isolation, [], {});
      const ends = ["exit 124", "exit 137", "kill -9 $$", "kill -TERM $$", "exit 0"];
      const processes = await Promise.all(ends.map((script) => sandbox.exec("sh", "-c", script)));
      assert.deepEqual(await Promise.all(processes.map(processEnd)), [
        ["exited", 124, undefined],
        ["exited", 137, undefined],
        ["signalled", 137, "SIGKILL"],
        ["signalled", 143, "SIGTERM"],
        ["exited", 0, undefined],
      ]);
      const killed = await sandbox.exec("sleep", "1000");
      await killed.kill("SIGINT");
      assert.deepEqual(await processEnd(killed), ["signalled", 130, "SIGINT"]);
      const left = await sandbox.exec("sleep", "1000");
      await sandbox.terminate();
      assert.deepEqual(await processEnd(left), ["terminated", 137, undefined]);
      assert.deepEqual(await kindAndCode(sandbox), ["terminated", 137]);
    });

    test("a sandbox whose command ends by itself has the command's result", async () => {
      const exited = await create(isolation, ["sh", "-c", "exit 124"], {});
      assert.deepEqual(await kindAndCode(exited), ["exited", 124]);
      const signalled = await create(isolation, ["sh", "-c", "kill -9 $$"], {});
      assert.deepEqual(await kindAndCode(signalled), ["signalled", 137]);
    });
  });
}

function create(isolation: Isolation, argv: readonly string[], options: SandboxCreateOptions): Promise<Sandbox> {
  return Sandbox.create(argv, { app, isolation, ...options });
}

async function kindAndCode(sandbox: Sandbox) {
  const { kind, exitCode } = await endOf(sandbox);
  return [kind, exitCode];
}

async function processEnd(process: Process) {
  await process.wait({ raiseOnTermination: false }).catch((error) => error.result ?? Promise.reject(error));
  const { result } = await process.info();
  return [result?.kind, result?.exitCode, result?.signal];
}
