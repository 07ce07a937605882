import assert from "node:assert/strict";
import { test } from "node:test";
import { despiteMirrors } from "../../src/setup/mirror.ts";
import { SetupError } from "../../src/setup/setup-error.ts";

const { signal } = new AbortController();

/** Fails with each of the messages in turn, and then succeeds. */
function failing(...messages: string[]): { fetch: () => Promise<number>; times: () => number } {
  let times = 0;
  const fetch = async () => {
    const message = messages[times];
    times += 1;
    if (message !== undefined) throw new SetupError(message, "");
    return times;
  };
  return { fetch, times: () => times };
}

test("what a mirror could not give for a moment is fetched again, a few times", async () => {
  const twice = failing("E: Failed to fetch a: got 'NOSPLIT'", "E: Failed to fetch b: Hash Sum mismatch");
  assert.equal(await despiteMirrors(twice.fetch, signal, [0, 0]), 3);
  const always = failing(...Array.from({ length: 9 }, () => "E: Failed to fetch a"));
  await assert.rejects(despiteMirrors(always.fetch, signal, [0, 0]), /Failed to fetch/);
  assert.equal(always.times(), 3);
});

test("what has other reasons, and what a mirror does not have, fails at once", async () => {
  for (const message of ["No space left on device", "E: Failed to fetch a  404  Not Found"]) {
    const once = failing(message);
    await assert.rejects(despiteMirrors(once.fetch, signal, [0, 0]), SetupError);
    assert.equal(once.times(), 1);
  }
});
