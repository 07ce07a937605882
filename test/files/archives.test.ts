import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { InvalidError, SandboxFilesystemNotADirectoryError } from "@atoll/sdk";
import { eachIsolation, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

const run = promisify(execFile);

async function localDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "atoll-files-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** An archive as tar(1) makes it. */
async function tar(directory: string, ...argv: string[]): Promise<Uint8Array> {
  const { stdout } = await run("tar", ["-C", directory, "-cf", "-", ...argv], { encoding: "buffer" });
  return stdout;
}

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });
  let count = 0;
  const place = () => `/tmp/archives-${count++}`;

  describe("directories as archives", () => {
    test("a directory goes in and comes out as it was: modes, links, times, empty ones and long names", async (t) => {
      const directory = await localDirectory(t);
      const [source, copy] = [join(directory, "source"), join(directory, "copy")];
      const long = "n".repeat(200);
      await mkdir(join(source, "empty"), { recursive: true });
      await mkdir(join(source, long, long), { recursive: true });
      await writeFile(join(source, long, long, long), "deep");
      await writeFile(join(source, "program"), "#!/bin/sh\n", { mode: 0o755 });
      await writeFile(join(source, "with\nnewline"), Buffer.alloc(100_000, 7));
      await symlink("../nowhere", join(source, "link"));
      await chmod(join(source, "empty"), 0o500);
      const target = place();
      await sandbox().fs.copyFromLocal(source, target);
      assert.equal((await shell(sandbox(), `${target}/program && readlink ${target}/link`)).stdout, "../nowhere\n");
      let told = 0;
      await sandbox().fs.copyToLocal(target, copy, {
        onProgress: (bytes) => {
          told = bytes;
        },
      });
      assert.ok(told > 100_000);
      await run("diff", ["-r", "--no-dereference", source, copy]);
      assert.equal((await stat(join(copy, "program"))).mode & 0o777, 0o755);
      assert.equal((await stat(join(copy, "empty"))).mode & 0o777, 0o500);
      assert.equal(await readlink(join(copy, "link")), "../nowhere");
    });

    test("one file is copied with its permissions, to the very name", async (t) => {
      const directory = await localDirectory(t);
      const target = `${place()}/new/name`;
      await writeFile(join(directory, "file"), "one file", { mode: 0o750 });
      await sandbox().fs.copyFromLocal(join(directory, "file"), target);
      assert.equal((await sandbox().fs.stat(target)).mode, 0o750);
      await sandbox().fs.copyToLocal(target, join(directory, "deep/back"));
      assert.equal(await readFile(join(directory, "deep/back"), "utf8"), "one file");
      await assert.rejects(sandbox().fs.copyFromLocal(join(directory, "none"), target), InvalidError);
    });

    test("hard links of one file stay one file", async (t) => {
      const directory = await localDirectory(t);
      const [source, target] = [place(), place()];
      await shell(sandbox(), `mkdir -p ${source}/d && echo x > ${source}/a && ln ${source}/a ${source}/d/b`);
      await sandbox().fs.writeArchive(target, await sandbox().fs.readArchive(source));
      assert.equal((await shell(sandbox(), `stat -c %h ${target}/a ${target}/d/b`)).stdout, "2\n2\n");
      await sandbox().fs.copyToLocal(source, join(directory, "copy"));
      assert.equal((await stat(join(directory, "copy/d/b"))).nlink, 2);
    });

    test("archives of tar(1) in its formats are understood, and ours by tar(1)", async (t) => {
      const directory = await localDirectory(t);
      const long = join(directory, "x".repeat(90), "y".repeat(90));
      await mkdir(long, { recursive: true });
      await writeFile(join(long, "file"), "content");
      for (const format of ["ustar", "gnu", "pax"]) {
        const target = place();
        await sandbox().fs.writeArchive(target, await tar(directory, `--format=${format}`, "."));
        assert.equal(await sandbox().fs.readText(`${target}/${"x".repeat(90)}/${"y".repeat(90)}/file`), "content");
        const out = join(directory, "..", `${directory.split("/").at(-1)}-${format}.tar`);
        t.after(() => rm(out, { force: true }));
        await writeFile(out, await sandbox().fs.readArchive(target));
        const { stdout } = await run("tar", ["-tf", out]);
        assert.ok(stdout.includes(`${"y".repeat(90)}/file`));
      }
    });

    test("owners are kept only when asked for", async (t) => {
      const directory = await localDirectory(t);
      await writeFile(join(directory, "file"), "x");
      const archive = await tar(directory, "--owner=1234", "--group=2345", "--numeric-owner", "file");
      const [plain, kept] = [place(), place()];
      await sandbox().fs.writeArchive(plain, archive);
      await sandbox().fs.writeArchive(kept, archive, { owners: true });
      assert.equal((await sandbox().fs.stat(`${plain}/file`)).uid, 0);
      assert.deepEqual(
        [(await sandbox().fs.stat(`${kept}/file`)).uid, (await sandbox().fs.stat(`${kept}/file`)).gid],
        [1234, 2345],
      );
    });
  });

  describe("hostile archives and races", () => {
    test("an archive writes nothing outside of its directory: not through '..', nor through links", async (t) => {
      const { fs } = sandbox();
      const directory = await localDirectory(t);
      const [target, outside] = [place(), place()];
      await fs.mkdir(outside);
      await mkdir(join(directory, "below"));
      await writeFile(join(directory, "escaped"), "x");
      const dotted = await tar(join(directory, "below"), "-P", "../escaped");
      await assert.rejects(fs.writeArchive(target, dotted), InvalidError);
      await symlink(outside, join(directory, "door"));
      const door = await tar(directory, "door");
      await fs.writeArchive(target, door);
      await rm(join(directory, "door"));
      await mkdir(join(directory, "door"));
      await writeFile(join(directory, "door/through"), "x");
      await assert.rejects(
        fs.writeArchive(target, await tar(directory, "door/through")),
        SandboxFilesystemNotADirectoryError,
      );
      await assert.rejects(fs.writeArchive(target, await tar(directory, "door")), SandboxFilesystemNotADirectoryError);
      assert.deepEqual(await fs.list(outside), []);
    });

    test("links that appear while an archive is extracted lead nowhere", async (t) => {
      const { fs } = sandbox();
      const directory = await localDirectory(t);
      const [target, outside] = [place(), place()];
      await fs.mkdir(outside);
      for (let index = 0; index < 40; index += 1) {
        await mkdir(join(directory, `d${index}/e`), { recursive: true });
        await writeFile(join(directory, `d${index}/e/file`), "x");
      }
      const archive = await tar(directory, ".");
      const racer = await sandbox().exec(
        "sh",
        "-c",
        `mkdir -p ${target}; while :; do for d in ${target}/d*/e; do mv $d $d.old 2>/dev/null; ln -s ${outside} $d 2>/dev/null; done; done`,
      );
      for (let round = 0; round < 4; round += 1) await fs.writeArchive(target, archive).catch(() => undefined);
      await racer.kill();
      await racer.wait();
      assert.deepEqual(await fs.list(outside), []);
    });

    test("what comes out stays inside of the local directory, whatever the sandbox has in it", async (t) => {
      const directory = await localDirectory(t);
      const [source, copy] = [place(), join(directory, "copy")];
      await shell(sandbox(), `mkdir -p ${source}/door && echo x > ${source}/door/through && mkfifo ${source}/fifo`);
      await symlink(directory, join(directory, "outside"));
      await mkdir(copy);
      await symlink(join(directory, "outside"), join(copy, "door"));
      await assert.rejects(sandbox().fs.copyToLocal(source, copy), InvalidError);
      assert.ok(!(await readdir(directory)).includes("through"));
      await rm(join(copy, "door"));
      await sandbox().fs.copyToLocal(source, copy);
      assert.deepEqual((await readdir(copy)).sort(), ["door"]);
      assert.ok((await lstat(join(copy, "door"))).isDirectory());
    });
  });
});
