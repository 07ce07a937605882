/** Logs of sandboxes' own commands, fetched later by the official npm client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-logs");

for (const [family, name] of [
  ["1", "the second family"],
  ["0", "the first family"],
] as const) {
  test(`logs are fetched by time, source and text, and the last ones tailed, while it runs and later (${name})`, async () => {
    await using client = await using(family);
    const sandbox = await client.create({
      command: ["sh", "-c", "echo one; echo two; echo oops >&2; echo three; cat"],
    });
    const reader = sandbox.stdout.getReader();
    for (let seen = ""; !seen.includes("three"); ) seen += (await reader.read()).value ?? "";
    const since = new Date(Date.now() - 600_000);
    const messages = async (entries: AsyncIterable<{ message: string }>) =>
      (await Array.fromAsync(entries)).map(({ message }) => message);
    const checked = async () => {
      const all = await Array.fromAsync(sandbox.logs.fetch({ since }));
      assert.deepEqual(all.map(({ message }) => message).sort(), ["one\n", "oops\n", "three\n", "two\n"]);
      assert.ok(all.every(({ timestamp }) => timestamp >= since && timestamp <= new Date()));
      assert.deepEqual([...new Set(all.map(({ objectId }) => objectId))], [sandbox.sandboxId]);
      assert.deepEqual(await messages(sandbox.logs.fetch({ since, source: "stderr" })), ["oops\n"]);
      assert.deepEqual(await messages(sandbox.logs.fetch({ since, searchText: "o", source: "stdout" })), [
        "one\n",
        "two\n",
      ]);
      assert.deepEqual(await messages(sandbox.logs.tail({ entries: 2, source: "stdout" })), ["two\n", "three\n"]);
      assert.deepEqual(await messages(sandbox.logs.fetch({ since, source: "system" })), []);
    };
    await checked();
    await sandbox.terminate({ wait: true });
    await checked();
  });
}
