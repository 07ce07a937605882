import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as sdk from "@atoll/sdk";
import { eachIsolation, newSandbox, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

type Kind = new (...given: never[]) => Error;

async function rejects(work: Promise<unknown>, kind: Kind, code?: string): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof kind, `${error}`);
    assert.ok(error instanceof sdk.AtollError && error.message.startsWith("cannot "));
    if (code) assert.equal(error.code, code);
    return true;
  });
}

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });
  let count = 0;
  const place = () => `/tmp/files-${count++}`;

  describe("one file", () => {
    test("text and bytes come back as they were written, and a new directory is made for them", async () => {
      const { fs } = sandbox();
      const path = `${place()}/deep/down/file`;
      const text = "größer\n\u{1f41a} \u0000 end";
      const entry = await fs.writeText(path, text);
      assert.deepEqual(
        [entry.path, entry.name, entry.type, entry.size, entry.mode, entry.uid],
        [path, "file", "file", Buffer.byteLength(text), 0o644, 0],
      );
      assert.equal(await fs.readText(path), text);
      const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
      await fs.writeBytes(path, bytes);
      assert.deepEqual(await fs.readBytes(path), bytes);
      assert.deepEqual(await fs.readBytes(path, { offset: 250, length: 3 }), bytes.slice(250, 253));
      assert.deepEqual(await fs.readBytes(path, { offset: 1000 }), new Uint8Array());
    });

    test("an empty file is written and read", async () => {
      const { fs } = sandbox();
      const path = place();
      assert.equal((await fs.writeText(path, "")).size, 0);
      assert.equal(await fs.readText(path), "");
    });

    test("append, exclusive and atomic do what they say, and otherwise what was there is gone", async () => {
      const { fs } = sandbox();
      const path = place();
      await fs.writeText(path, "a long first text");
      await fs.writeText(path, "short");
      await fs.writeText(path, "er", { append: true });
      assert.equal(await fs.readText(path), "shorter");
      await rejects(fs.writeText(path, "x", { exclusive: true }), sdk.SandboxFilesystemPathAlreadyExistsError);
      await fs.chmod(path, 0o751);
      const before = await shell(sandbox(), `ln ${path} ${path}.link && stat -c %h ${path}`);
      assert.equal(before.stdout, "2\n");
      assert.equal((await fs.writeText(path, "new", { atomic: true })).mode, 0o751);
      assert.deepEqual([await fs.readText(path), await fs.readText(`${path}.link`)], ["new", "shorter"]);
      await rejects(fs.writeText(path, "x", { atomic: true, append: true }), sdk.InvalidError);
    });

    test("names with spaces, newlines, quotes and other scripts are names like any other", async () => {
      const { fs } = sandbox();
      const directory = place();
      const names = ["with space", "new\nline", "tab\tand 'quote\" \\", "имя-名-🐚", "-rf", "*?[", "%2e&a=b#c"];
      for (const name of names) await fs.writeText(`${directory}/${name}`, name);
      assert.deepEqual((await fs.list(directory)).map(({ name }) => name).sort(), [...names].sort());
      for (const name of names) assert.equal(await fs.readText(`${directory}/${name}`), name);
    });

    test("a name that is not UTF-8 is listed with its bytes, and travels in archives", async () => {
      const { fs } = sandbox();
      const directory = place();
      await shell(sandbox(), `mkdir ${directory} && printf x > "$(printf '${directory}/a\\377b')"`);
      const [entry] = await fs.list(directory);
      assert.equal(entry?.name, "a\ufffdb");
      const bytes = Buffer.from(entry?.pathBase64 ?? "", "base64");
      assert.deepEqual(bytes, Buffer.concat([Buffer.from(`${directory}/a`), Buffer.from([0xff]), Buffer.from("b")]));
      await fs.writeArchive(`${directory}-copy`, await fs.readArchive(directory));
      assert.equal((await fs.list(`${directory}-copy`))[0]?.pathBase64 !== undefined, true);
    });

    test("the user who acts owns what is made, and is bound by permissions", async () => {
      const { fs } = sandbox();
      const path = place();
      const { uid } = await fs.writeText(path, "mine", { user: "nobody", mode: 0o600 });
      assert.equal(uid, 65534);
      const secret = place();
      await fs.writeText(secret, "root's", { mode: 0o600 });
      await rejects(fs.readText(secret, { user: "nobody" }), sdk.SandboxFilesystemPermissionError, "permission_denied");
      await rejects(fs.writeText("/etc/passwd", "", { user: "1234" }), sdk.SandboxFilesystemPermissionError);
      await rejects(fs.readText(path, { user: "no-such-user" }), sdk.InvalidError);
    });
  });

  describe("directories", () => {
    test("mkdir, list, stat, exists, chmod, rename and remove", async () => {
      const { fs } = sandbox();
      const directory = place();
      await fs.mkdir(`${directory}/a/b`, { parents: true, mode: 0o700 });
      await fs.mkdir(`${directory}/a/b`, { parents: true });
      assert.equal((await fs.stat(`${directory}/a/b`)).mode, 0o700);
      await shell(sandbox(), `cd ${directory} && ln -s a/b link && ln -s nowhere lost && printf 12345 > a/b/file`);
      assert.deepEqual(
        (await fs.list(directory, { recursive: true })).map(({ path, type, linkTarget }) => [path, type, linkTarget]),
        [
          [`${directory}/a`, "directory", undefined],
          [`${directory}/a/b`, "directory", undefined],
          [`${directory}/a/b/file`, "file", undefined],
          [`${directory}/link`, "symlink", "a/b"],
          [`${directory}/lost`, "symlink", "nowhere"],
        ],
      );
      assert.equal((await fs.stat(`${directory}/link`)).type, "directory");
      assert.equal((await fs.stat(`${directory}/link`, { follow: false })).type, "symlink");
      assert.equal(await fs.exists(`${directory}/link/file`), true);
      assert.equal(await fs.exists(`${directory}/lost`), false);
      assert.equal(await fs.exists(`${directory}/a/b/file/below`), false);
      await fs.chmod(`${directory}/a/b/file`, 0o4755);
      assert.equal((await fs.stat(`${directory}/link/file`)).mode, 0o4755);
      await fs.rename(`${directory}/a/b/file`, `${directory}/moved`);
      assert.equal((await fs.stat(`${directory}/moved`)).size, 5);
      await fs.remove(`${directory}/link`);
      assert.equal(await fs.exists(`${directory}/a/b`), true);
      await fs.remove(directory, { recursive: true });
      assert.equal(await fs.exists(directory), false);
    });

    test("removing recursively removes links and not what they point to", async () => {
      const { fs } = sandbox();
      const [kept, directory] = [place(), place()];
      await fs.writeText(`${kept}/file`, "kept");
      await shell(sandbox(), `mkdir ${directory} && ln -s ${kept} ${directory}/link`);
      await fs.remove(directory, { recursive: true });
      assert.equal(await fs.readText(`${kept}/file`), "kept");
      await shell(sandbox(), `ln -s ${kept} ${directory}`);
      await fs.remove(directory, { recursive: true });
      assert.equal(await fs.readText(`${kept}/file`), "kept");
    });

    test("10,000 entries are listed in order, archived, and removed", async () => {
      const { fs } = sandbox();
      const directory = place();
      await shell(sandbox(), `mkdir ${directory} && cd ${directory} && seq -f 'file-%05g' 10000 | xargs touch`);
      const names = (await fs.list(directory)).map(({ name }) => name);
      assert.equal(names.length, 10_000);
      assert.deepEqual(names, [...names].sort());
      await fs.writeArchive(`${directory}-copy`, await fs.readArchive(directory));
      assert.equal((await fs.list(`${directory}-copy`)).length, 10_000);
      await fs.remove(directory, { recursive: true });
      assert.equal(await fs.exists(directory), false);
    });
  });

  describe("failures", () => {
    test("each class of failure is an error class of its own", async () => {
      const { fs } = sandbox();
      const directory = place();
      await fs.writeText(`${directory}/file`, "x");
      const file = `${directory}/file`;
      const {
        SandboxFilesystemNotFoundError: NotFound,
        SandboxFilesystemIsADirectoryError: IsADirectory,
        SandboxFilesystemNotADirectoryError: NotADirectory,
        SandboxFilesystemPathAlreadyExistsError: Exists,
        SandboxFilesystemDirectoryNotEmptyError: NotEmpty,
      } = sdk;
      const nowhere = `${directory}/no/where`;
      const cases: [() => Promise<unknown>, Kind][] = [
        [() => fs.readText(nowhere), NotFound],
        [() => fs.stat(nowhere), NotFound],
        [() => fs.list(nowhere), NotFound],
        [() => fs.remove(nowhere), NotFound],
        [() => fs.rename(nowhere, file), NotFound],
        [() => fs.chmod(nowhere, 0o644), NotFound],
        [() => fs.mkdir(`${nowhere}/x`), NotFound],
        [() => fs.watch(nowhere), NotFound],
        [() => fs.readArchive(nowhere), NotFound],
        [() => fs.writeText(nowhere, "", { parents: false }), NotFound],
        [() => fs.readText(directory), IsADirectory],
        [() => fs.writeText(directory, ""), IsADirectory],
        [() => fs.writeText(directory, "", { atomic: true }), IsADirectory],
        [() => fs.list(file), NotADirectory],
        [() => fs.readText(`${file}/x`), NotADirectory],
        [() => fs.writeText(`${file}/x`, ""), NotADirectory],
        [() => fs.writeArchive(file, ""), NotADirectory],
        [() => fs.mkdir(directory), Exists],
        [() => fs.mkdir(file, { parents: true }), Exists],
        [() => fs.rename(file, directory, { overwrite: false }), Exists],
        [() => fs.remove(directory), NotEmpty],
        [() => fs.remove(`${directory}/..`, { recursive: true }), sdk.InvalidError],
        [() => fs.remove("/", { recursive: true }), sdk.SandboxFilesystemError],
        [() => fs.readText("relative"), sdk.InvalidError],
        [() => fs.readText("/nul\0"), sdk.InvalidError],
        [() => fs.writeArchive(`${directory}/new`, "not an archive"), sdk.InvalidError],
      ];
      for (const [work, kind] of cases) await rejects(work(), kind);
      assert.equal(await fs.readText(file), "x");
    });

    test("what cannot be written is said to be read-only or not permitted", async () => {
      const { fs } = sandbox();
      await assert.rejects(fs.writeText("/proc/version", "x"), sdk.SandboxFilesystemError);
      await assert.rejects(fs.mkdir("/sys/new"), (error: unknown) => {
        const { SandboxFilesystemReadOnlyError: ReadOnly, SandboxFilesystemPermissionError: Permission } = sdk;
        return error instanceof ReadOnly || error instanceof Permission;
      });
    });

    test("a full disk is said to be full, and the sandbox goes on", async () => {
      await using small = await newSandbox({ isolation, disk: "64MiB" });
      const big = new Uint8Array(128 * 2 ** 20);
      await rejects(small.fs.writeBytes("/big", big), sdk.SandboxFilesystemNoSpaceError, "no_space");
      await small.fs.remove("/big");
      await rejects(small.fs.writeBytes("/big", big, { atomic: true }), sdk.SandboxFilesystemNoSpaceError);
      assert.deepEqual(
        (await small.fs.list("/")).filter(({ name }) => name.startsWith(".atoll-")),
        [],
      );
      await small.fs.writeText("/small", "fits again");
      assert.equal(await small.fs.readText("/small"), "fits again");
    });

    test("an operation in a sandbox that has ended, or that never was, says so", async () => {
      const ended = await newSandbox({ isolation });
      await ended.terminate();
      await rejects(ended.fs.readText("/etc/hosts"), sdk.ConflictError, "sandbox_finished");
      const none = new sdk.SandboxFilesystem(sdk.defaultClient(), "sb-0000000000000000000000");
      await rejects(none.readText("/etc/hosts"), sdk.NotFoundError, "not_found");
    });
  });

  test("operations are not among the processes, and need nothing of the image", async () => {
    await using bare = await newSandbox({ isolation });
    const { fs } = bare;
    await fs.remove("/usr", { recursive: true });
    await fs.writeText("/left", "still works");
    assert.equal(await fs.readText("/left"), "still works");
    await fs.writeArchive("/copy", await fs.readArchive("/left"));
    assert.equal(await fs.readText("/copy/left"), "still works");
    assert.deepEqual(
      (await bare.processes()).map(({ id }) => id),
      ["main"],
    );
  });

  test("an operation keeps an idle sandbox alive while it runs, and no longer", async () => {
    await using idle = await newSandbox({ isolation, idleTimeoutMs: 2000 });
    const watcher = await idle.fs.watch("/tmp");
    const touched = idle.fs.watch("/tmp");
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.equal(await idle.poll(), null);
    watcher.close();
    (await touched).close();
    await assert.rejects(idle.wait({ timeoutMs: 60_000 }), sdk.SandboxTimeoutError);
  });
});
