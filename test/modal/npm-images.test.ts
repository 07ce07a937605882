/** Images of a private registry, through the official npm client. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ociLayout, push, startRegistry } from "../support/registry.ts";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();
const modalOf = useModal("modal-npm-images");

test("an image of a private registry is built with a login from a secret, and not without one", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-oci-"));
  t.after(() => rmSync(directory, { recursive: true }));
  using registry = await startRegistry({ user: "reader", password: "secret" });
  mkdirSync(join(directory, "root/bin"), { recursive: true });
  const source = '#include <stdio.h>\nint main() { return puts("from a private registry") < 0; }';
  execFileSync("cc", ["-static", "-o", join(directory, "root/bin/say"), "-x", "c", "-"], { input: source });
  const tar = execFileSync("tar", ["-cf", "-", "--owner=0", "--group=0", "-C", join(directory, "root"), "."]);
  ociLayout(join(directory, "layout"), [{ tar, compression: "gzip" }], { Cmd: ["/bin/say"] });
  const reference = `${registry.host}/private/say:v1`;
  push(join(directory, "layout"), reference, "reader:secret");
  await using client = await modalOf("1");
  const { modal, app } = client;
  const right = await modal.secrets.fromObject({ REGISTRY_USERNAME: "reader", REGISTRY_PASSWORD: "secret" });
  const wrong = await modal.secrets.fromObject({ REGISTRY_USERNAME: "reader", REGISTRY_PASSWORD: "guess" });
  await assert.rejects(
    modal.images.fromRegistry(reference, wrong).build(app),
    /Image build .* failed[\s\S]*cannot pull/,
  );
  const image = await modal.images.fromRegistry(reference, right).build(app);
  const sandbox = await modal.sandboxes.create(app, image, { command: ["/bin/say"], timeoutMs: 120_000 });
  await assert.rejects(modal.images.delete(image.imageId), /FAILED_PRECONDITION.*a sandbox uses it/);
  assert.equal(await sandbox.stdout.readText(), "from a private registry\n");
  assert.equal(await sandbox.wait(), 0);
  const { imageId } = await image.dockerfileCommands(["ENV ONLY=here"]).build(app);
  await modal.images.delete(imageId);
  await assert.rejects(modal.images.fromId(imageId), /Could not find image with ID/);
  await assert.rejects(modal.images.delete(imageId), /No Image with ID/);
});
