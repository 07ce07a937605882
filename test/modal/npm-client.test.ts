/** The official npm client, unchanged, against this server; in both families of its calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AlreadyExistsError, ModalClient, NotFoundError } from "modal";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();

const using = useModal("modal-npm");

for (const [family, name] of [
  ["1", "the second family"],
  ["0", "the first family"],
] as const) {
  test(`a sandbox's command is created, read and waited for (${name})`, async () => {
    await using client = await using(family);
    const { create } = client;
    const sandbox = await create({ command: ["sh", "-c", "echo hello; echo oops >&2; exit 3"] });
    assert.deepEqual([await sandbox.stdout.readText(), await sandbox.stderr.readText()], ["hello\n", "oops\n"]);
    assert.equal(await sandbox.wait(), 3);
    assert.equal(await sandbox.poll(), 3);
  });

  test(`exec has output, stdin, a time limit and an exit code (${name})`, async () => {
    await using client = await using(family);
    const { create } = client;
    const sandbox = await create({ env: { FROM: "sandbox" }, workdir: "/usr" });
    const shell = await sandbox.exec(["sh", "-c", "pwd; echo $FROM $OWN; cat; exit 7"], { env: { OWN: "exec" } });
    await shell.stdin.writeText("grüße\n");
    await shell.closeStdin();
    assert.equal(await shell.stdout.readText(), "/usr\nsandbox exec\ngrüße\n");
    assert.equal(await shell.wait(), 7);
    const slow = await sandbox.exec(["sleep", "60"], { timeoutMs: 1000 });
    assert.equal(await slow.wait(), 137);
    assert.equal(await (await sandbox.exec(["no-such-program"])).wait(), 127);
    assert.equal(await sandbox.poll(), null);
  });

  test(`binary output of many megabytes arrives whole, read after the exit (${name})`, async () => {
    await using client = await using(family);
    const { create } = client;
    const sandbox = await create();
    const process = await sandbox.exec(["head", "-c", "20000000", "/dev/zero"], { mode: "binary" });
    assert.equal(await process.wait(), 0);
    assert.equal((await process.stdout.readBytes()).length, 20_000_000);
  });

  test(`tags, names and lists find a sandbox, and a taken name is refused (${name})`, async () => {
    await using client = await using(family);
    const { modal, app, create } = client;
    const named = `npm-${family}-${Date.now()}`;
    const sandbox = await create({ name: named });
    await sandbox.setTags({ color: named });
    assert.deepEqual(await sandbox.getTags(), { color: named });
    const ids = [];
    for await (const found of modal.sandboxes.list({ appId: app.appId, tags: { color: named } }))
      ids.push(found.sandboxId);
    assert.deepEqual(ids, [sandbox.sandboxId]);
    assert.equal((await modal.sandboxes.fromName("modal-npm", named)).sandboxId, sandbox.sandboxId);
    await assert.rejects(() => create({ name: named }), AlreadyExistsError);
    assert.equal(await sandbox.terminate({ wait: true }), 137);
    await assert.rejects(() => modal.sandboxes.fromName("modal-npm", named), NotFoundError);
  });
}

test("a wrong token is refused", async () => {
  const modal = new ModalClient({ tokenSecret: "atoll_wrong" });
  await assert.rejects(() => modal.apps.fromName("modal-npm", { createIfMissing: true }), /not valid/);
  modal.close();
});

test("an option that cannot be had is refused with a reason rather than left out", async () => {
  await using client = await using("1");
  const { create } = client;
  await assert.rejects(() => create({ customDomain: "example.com" }), /a custom domain/);
  await assert.rejects(() => create({ experimentalOptions: { enable_docker: true } }), /"enable_docker"/);
  await assert.rejects(() => create({ experimentalOptions: { enable_docker: "not-a-bool" } }), /must be a bool/);
  assert.equal(await (await create({ command: ["true"], experimentalOptions: { enable_docker: false } })).wait(), 0);
});
