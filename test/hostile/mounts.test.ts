/** What is mounted read-only, or not for a sandbox to write at all, stays so for whoever gains the capability to mount inside. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Volume } from "@atoll/sdk";
import { eachIsolation, newSandbox, run } from "../support/isolation.ts";
import { useProbes } from "../support/probes.ts";
import { useServer } from "../support/server.ts";

useServer();
const probes = useProbes();

const ways = ["here", "unshare", "one-by-one", "user-alone", "clone", "clone3"];
const users = ["0", "1000"];
const places = [
  "/.atoll",
  "/.atoll/mounts",
  "/volume",
  "/volume/a",
  "/etc/resolv.conf",
  "/etc/hosts",
  "/sys",
  "/proc/sys",
];

test("the attempts get through where the capability to mount is enough", () => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-read-only-"));
  try {
    const readOnly = 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"';
    const prefix = ["unshare", "--mount", "sh", "-c", readOnly, directory];
    probes.assertReached(prefix, ["write-read-only", "here", "0", directory]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

eachIsolation((isolation) => {
  test("nothing of the host's is made writable by a sandbox", async () => {
    await using volume = await Volume.ephemeral();
    await volume.write("a", "1");
    await using sandbox = await newSandbox({ isolation, volumes: { "/volume": volume.readOnly() } });
    await probes.install(sandbox);
    const reached: string[] = [];
    for (const place of places)
      for (const user of users)
        for (const way of ways) {
          const ended = await run(sandbox, ["/tmp/escape", "write-read-only", way, user, place]);
          if (ended.returncode !== 1) reached.push(`${way} ${user} ${place}`);
        }
    assert.deepEqual(reached, []);
  });
});
