import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidError, Sandbox } from "@atoll/sdk";
import { eachIsolation, newSandbox } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Says the next word at each line that it is sent. */
const script = 'echo one; read x; echo two >&2; read x; echo three; printf "no end"; read x';

eachIsolation((isolation) => {
  test("a sandbox's output is read by lines with the time of each, by stream, time, search and number", async () => {
    await using sandbox = await Sandbox.create("sh", "-c", script, { isolation, timeoutMs: 120_000 });
    const stdout = sandbox.stdout[Symbol.asyncIterator]();
    const stderr = sandbox.stderr[Symbol.asyncIterator]();
    await stdout.next();
    // Longer than the times are accurate to.
    await new Promise((resolve) => setTimeout(resolve, 250));
    const between = new Date();
    sandbox.stdin.write("\n");
    await sandbox.stdin.drain();
    await stderr.next();
    await new Promise((resolve) => setTimeout(resolve, 250));
    sandbox.stdin.write("\n");
    await sandbox.stdin.drain();
    await stdout.next();
    const texts = async (options = {}) => (await sandbox.log(options)).map(({ text }) => text);
    while (!(await texts()).includes("no end")) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await texts(), ["one\n", "two\n", "three\n", "no end"]);
    assert.deepEqual(await texts({ stream: "stderr" }), ["two\n"]);
    assert.deepEqual(await texts({ until: between }), ["one\n"]);
    assert.deepEqual(await texts({ since: between, search: "o" }), ["two\n", "no end"]);
    assert.deepEqual(await texts({ limit: 2 }), ["three\n", "no end"]);
    const times = (await sandbox.log()).map(({ at }) => at.getTime());
    assert.deepEqual(times.toSorted(), times);
    assert.deepEqual([...new Set((await sandbox.log()).map(({ stream }) => stream))], ["stdout", "stderr"]);
    await sandbox.terminate();
    await sandbox.wait({ raiseOnTermination: false });
    const after = (await sandbox.log()).map(({ at }) => at.getTime());
    assert.deepEqual(after, times);
    await assert.rejects(() => sandbox.log({ since: new Date("never") }), InvalidError);
  });
});

test("the newest of many lines of a process are read, and those before are not", async () => {
  await using sandbox = await newSandbox({ isolation: "container" });
  const counting = await sandbox.exec("seq", "1", "300000");
  await counting.wait();
  const last = await counting.log({ limit: 20_000 });
  assert.equal(last.length, 20_000);
  assert.equal(last[0]?.text, "280001\n");
  assert.equal((await counting.log({ search: "299999" }))[0]?.text, "299999\n");
});
