import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Image } from "@atoll/sdk";
import { newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Where this machine keeps what its package clients need; the image must not show the way there. */
const hostFiles = ["/etc/pip.conf", "/root/.npmrc"];

test("packages from Debian and PyPI are installed into an image and used, and the machine's settings stay out of it", async () => {
  const image = Image.debianSlim().aptInstall("git").pipInstall("numpy");
  await using sandbox = await newSandbox({ image });
  assert.match((await shell(sandbox, "git --version")).stdout, /^git version 2/);
  const sum = await shell(sandbox, "python3 -c 'import numpy; print(numpy.arange(10).sum())'");
  assert.equal(sum.stdout, "45\n", sum.stderr);
  const left = await shell(
    sandbox,
    "ls -A /dev/shm /root; env | grep -E 'PIP|CERT|APT_CONFIG|NPM'; ls /var/lib/apt/lists",
  );
  assert.doesNotMatch(left.stdout, /atoll-build|PIP|CERT|APT_CONFIG|NPM|pip\.conf|npmrc|Packages/);
  const { layers } = await image.build();
  const store = `${process.env.ATOLL_STATE_DIR ?? "/var/lib/atoll"}/store/layers`;
  const made = layers.filter((name) => name.startsWith("ly-")).map((name) => join(store, name));
  assert.equal(made.length, 2);
  assert.equal(execFileSync("find", [...made, "-name", ".atoll*"]).toString(), "");
  for (const line of hostLines()) {
    const found = spawnSync("grep", ["-rlF", "--include=*.conf", "--include=*rc", "--", line, ...made]);
    assert.equal(found.stdout.toString(), "");
  }
});

/** What this machine's clients are told, line by line. */
function hostLines(): string[] {
  const texts = hostFiles.filter((path) => existsSync(path)).map((path) => readFileSync(path, "utf8"));
  return texts.flatMap((text) => text.split("\n")).filter((line) => line.includes("="));
}
