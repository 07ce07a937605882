/** `sandbox.filesystem` of the official npm client, unchanged, at both isolation levels. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, Sandbox as Own } from "@atoll/sdk";
import {
  ModalClient,
  NotFoundError,
  type Sandbox,
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemError,
  SandboxFilesystemFileTooLargeError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
} from "modal";
import { useServer } from "../support/server.ts";

useServer();

let tokenId = "";
const own = new Client();
before(async () => {
  const created = await own.request("createToken", { body: { name: "modal-files" } });
  tokenId = created.id;
  process.env.MODAL_SERVER_URL = process.env.ATOLL_URL;
  process.env.MODAL_TOKEN_ID = created.id;
  process.env.MODAL_TOKEN_SECRET = created.token;
});
after(() => own.request("deleteToken", { params: { tokenId } }));

/** The clients have no word for isolation, so the sandbox is made by ours and found by theirs. */
async function using(isolation: "container" | "gvisor") {
  const made = await Own.create({ isolation, timeoutMs: 180_000 });
  const modal = new ModalClient();
  const sandbox: Sandbox = await modal.sandboxes.fromId(made.id);
  const local = await mkdtemp(join(tmpdir(), "atoll-modal-files-"));
  const close = async () => {
    await made.terminate();
    modal.close();
    await rm(local, { recursive: true });
  };
  return { files: sandbox.filesystem, sandbox, made, local, [Symbol.asyncDispose]: close };
}

for (const isolation of ["container", "gvisor"] as const) {
  test(`files are written, read, copied, described and removed (${isolation})`, async () => {
    await using given = await using(isolation);
    const { files, sandbox, local } = given;
    await files.writeText("grüße\n", "/srv/w/deep/hello");
    assert.equal(await files.readText("/srv/w/deep/hello"), "grüße\n");
    await files.writeBytes(new Uint8Array(0), "/srv/w/empty");
    assert.equal((await files.readBytes("/srv/w/empty")).length, 0);
    const large = randomBytes(9_000_000);
    await writeFile(join(local, "large"), large);
    await files.copyFromLocal(join(local, "large"), "/srv/w/large");
    assert.deepEqual(Buffer.from(await files.readBytes("/srv/w/large")), large);
    await files.copyToLocal("/srv/w/large", join(local, "back", "large"));
    assert.deepEqual(await readFile(join(local, "back", "large")), large);
    await files.makeDirectory("/srv/w/a/b/c");
    await files.makeDirectory("/srv/w/a/b/c");
    await (await sandbox.exec(["sh", "-c", "ln -s deep /srv/w/link; chmod 640 /srv/w/empty"])).wait();
    const listed = await files.listFiles("/srv/w");
    assert.deepEqual(
      listed.map(({ name, path, type, symlinkTarget }) => [name, path, type, symlinkTarget]),
      [
        ["a", "/srv/w/a", "directory", null],
        ["deep", "/srv/w/deep", "directory", null],
        ["empty", "/srv/w/empty", "file", null],
        ["large", "/srv/w/large", "file", null],
        ["link", "/srv/w/link", "symlink", "deep"],
      ],
    );
    assert.deepEqual(
      (await files.listFiles("/srv/w/link")).map(({ path }) => path),
      ["/srv/w/link/hello"],
    );
    const stat = await files.stat("/srv/w/empty");
    assert.deepEqual([stat.mode, stat.permissions, stat.owner, stat.group], [0o100640, "0640", "root", "root"]);
    assert.ok(Math.abs(stat.modifiedTime - Date.now() / 1000) < 600);
    await files.remove("/srv/w/link");
    await files.remove("/srv/w/a", { recursive: true });
    assert.deepEqual(
      (await files.listFiles("/srv/w")).map(({ name }) => name),
      ["deep", "empty", "large"],
    );
  });

  test(`what cannot be done has the client's own error (${isolation})`, async () => {
    await using given = await using(isolation);
    const { files, sandbox, made, local } = given;
    await files.writeText("x", "/d/file");
    await (await sandbox.exec(["truncate", "-s", "5368709121", "/d/vast"])).wait();
    const none = SandboxFilesystemNotFoundError;
    const noDirectory = SandboxFilesystemNotADirectoryError;
    await assert.rejects(() => files.readText("/none"), { constructor: none, message: /such file.*: \/none$/ });
    await assert.rejects(() => files.copyToLocal("/none", join(local, "none")), none);
    await assert.rejects(() => files.readBytes("/d"), SandboxFilesystemIsADirectoryError);
    await assert.rejects(() => files.readBytes("/d/vast"), SandboxFilesystemFileTooLargeError);
    await assert.rejects(() => files.writeText("x", "/d"), SandboxFilesystemIsADirectoryError);
    await assert.rejects(() => files.writeBytes(randomBytes(3_000_000), "/d/file/below"), noDirectory);
    await assert.rejects(() => files.listFiles("/none"), none);
    await assert.rejects(() => files.listFiles("/d/file"), noDirectory);
    await assert.rejects(() => files.stat("/none"), none);
    await assert.rejects(() => files.stat("/d/file/below"), noDirectory);
    await assert.rejects(
      () => files.makeDirectory("/d", { createParents: false }),
      SandboxFilesystemPathAlreadyExistsError,
    );
    await assert.rejects(() => files.makeDirectory("/d/file"), SandboxFilesystemPathAlreadyExistsError);
    await assert.rejects(() => files.makeDirectory("/n/o", { createParents: false }), none);
    await assert.rejects(() => files.remove("/none"), none);
    await assert.rejects(() => files.remove("/d"), SandboxFilesystemDirectoryNotEmptyError);
    await assert.rejects(() => files.watch("/none")[Symbol.asyncIterator]().next(), none);
    await assert.rejects(() => files.stat(`/${"x".repeat(5000)}`), SandboxFilesystemError);
    await made.terminate();
    await assert.rejects(() => files.readText("/d/file"), NotFoundError);
  });

  test(`changes are watched until the time is over or nobody looks (${isolation})`, async () => {
    await using given = await using(isolation);
    const { files, sandbox } = given;
    await files.makeDirectory("/seen");
    const script = "sleep 0.2; touch one; echo x > two; mv one three; rm three; mv two /two; echo y > /seen/last";
    const loop = `cd /seen; while ! [ -e /stop ]; do ${script}; done`;
    const busy = await sandbox.exec(["sh", "-c", loop]);
    const found = new Set<string>();
    const wanted = ["Create /seen/one", "Modify /seen/one /seen/three", "Remove /seen/three", "Modify /seen/two"];
    for await (const { eventType, paths } of files.watch("/seen")) {
      found.add([eventType, ...paths].join(" "));
      if (wanted.every((event) => found.has(event))) break;
    }
    const removals = new Set<string>();
    for await (const { eventType } of files.watch("/seen", { filter: ["Remove"], timeoutMs: 2000 }))
      removals.add(eventType);
    assert.deepEqual([...removals], ["Remove"]);
    for await (const event of files.watch("/seen", { timeoutMs: 0 })) assert.fail(JSON.stringify(event));
    await files.writeText("", "/stop");
    assert.equal(await busy.wait(), 0);
  });
}
