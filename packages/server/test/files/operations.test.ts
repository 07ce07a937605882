import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Records } from "../../src/files/records.ts";
import { builds } from "../init/guest.ts";
import { Random } from "../init/random.ts";

const { errno } = constants;

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "atoll-operations-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

for (const build of builds()) {
  const run = (words: readonly string[], input: Uint8Array | string = "") =>
    spawnSync(build.path, words, { argv0: "atoll-files", input, maxBuffer: 64 * 2 ** 20 });

  /** stdout of one that must succeed. */
  const succeed = (words: readonly string[], input: Uint8Array | string = ""): Buffer => {
    const { status, stdout, stderr } = run(words, input);
    assert.equal(stderr.toString(), "");
    assert.equal(status, 0);
    return stdout;
  };

  const fails = (words: readonly string[], said: string, input: Uint8Array | string = "") => {
    const { status, stderr } = run(words, input);
    assert.equal(stderr.toString(), `${said}\n`, words.join(" "));
    assert.equal(status, 1);
  };

  describe(`operations on files (${build.name})`, () => {
    test("unknown operations and wrong words are refused", () => {
      for (const words of [
        [],
        ["nothing"],
        ["read", "/etc/hosts"],
        ["read", "/etc/hosts", "x", "0"],
        ["stat", "/", ""],
      ]) {
        fails(words, `${errno.EINVAL} usage`);
      }
    });

    test("entries are told in order, links with their targets", (t) => {
      const directory = directoryOf(t);
      for (const name of ["b", "a", "c"]) writeFileSync(join(directory, name), name);
      symlinkSync("a", join(directory, "l"));
      const records = new Records();
      const entries = records.take(succeed(["list", directory, "1"]));
      records.end();
      assert.deepEqual(
        entries.map(([, path, target]) => `${path}>${target}`),
        ["a>", "b>", "c>", "l>a"],
      );
      fails(["list", join(directory, "a"), "0"], `${errno.ENOTDIR} open`);
    });

    test("a write that is ended by SIGTERM leaves nothing beside the old file", async (t) => {
      const directory = directoryOf(t);
      const path = join(directory, "file");
      writeFileSync(path, "old");
      const child = spawn(build.path, ["write", path, "replace", "0", "-1", "0"], { argv0: "atoll-files" });
      child.stdin.write("half");
      while (readdirSync(directory).length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill("SIGTERM");
      assert.deepEqual(await once(child, "exit"), [1, null]);
      assert.deepEqual(readdirSync(directory), ["file"]);
      assert.equal(readFileSync(path, "utf8"), "old");
    });

    test("a tree that is too deep is refused", (t) => {
      const directory = directoryOf(t);
      const [first, second] = [join(directory, "a"), join(directory, "b")];
      const half = Array<string>(1100).fill("d");
      for (const top of [first, second]) mkdirSync(join(top, ...half), { recursive: true });
      const bottom = join(first, ...half, "b");
      renameSync(second, bottom);
      try {
        fails(["pack", first], `${errno.ENAMETOOLONG} list`);
        fails(["remove", first, "1"], `${errno.ENAMETOOLONG} list`);
      } finally {
        renameSync(bottom, second); // beyond the longest path nobody could remove it
      }
      succeed(["remove", first, "1"]);
      assert.equal(existsSync(first), false);
    });

    test("archives that are cut anywhere fail and never crash", (t) => {
      const directory = directoryOf(t);
      const source = join(directory, "source");
      mkdirSync(join(source, "d".repeat(120)), { recursive: true });
      writeFileSync(join(source, "d".repeat(120), "file"), "content");
      symlinkSync("t".repeat(150), join(source, "link"));
      const archive = succeed(["pack", source]);
      const end = archive.length - 1024;
      for (let length = 1; length < end; length += 509) {
        if (length % 512 === 0) continue;
        fails(["unpack", join(directory, "cut"), "0"], `${errno.EBADMSG} archive`, archive.subarray(0, length));
      }
      succeed(["unpack", join(directory, "whole"), "0"], archive);
      assert.equal(readFileSync(join(directory, "whole", "d".repeat(120), "file"), "utf8"), "content");
    });

    test("archives with random damage are taken or refused, and nothing leaves the directory", (t) => {
      const directory = directoryOf(t);
      const [source, target] = [join(directory, "source"), join(directory, "deep/er/target")];
      mkdirSync(join(source, "d"), { recursive: true });
      writeFileSync(join(source, "d", "file"), "content");
      symlinkSync("../../..", join(source, "l"));
      const tarred = spawnSync("tar", ["-C", source, "--format=pax", "-cf", "-", "."], { maxBuffer: 2 ** 20 });
      const random = new Random(20_260);
      for (const archive of [succeed(["pack", source]), tarred.stdout]) {
        for (let round = 0; round < (build.name === "plain" ? 150 : 60); round += 1) {
          const { status, stderr } = run(["unpack", target, "0"], damaged(archive, random));
          assert.ok(status === 0 || /^\d+ [a-z]+\n$/.test(stderr.toString()), `${status} ${stderr}`);
        }
      }
      assert.deepEqual(readdirSync(directory).sort(), ["deep", "source"]);
      assert.deepEqual(readdirSync(join(directory, "deep/er")), ["target"]);
    });
  });
}

/** A few bytes changed, and every checksum made right again, so that the damage gets past it. */
function damaged(archive: Buffer, random: Random): Buffer {
  const copy = Buffer.from(archive);
  for (let count = 1 + random.below(6); count > 0; count -= 1)
    copy[random.below(copy.length - 1024)] = random.below(256);
  for (let at = 0; at + 512 <= copy.length; at += 512) {
    if (copy.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    copy.fill(" ", at + 148, at + 156);
    const sum = copy.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return copy;
}
