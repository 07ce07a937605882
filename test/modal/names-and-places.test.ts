/** Names given later, where a sandbox is to run, and how it shows who it is, of the official npm client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AlreadyExistsError, ConflictError } from "modal";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-names");

test("a sandbox without a name takes one, once, unless another has it", async () => {
  await using client = await using("1");
  const { modal, create } = client;
  const name = `later-${process.pid}`;
  const [sandbox, other] = await Promise.all([create(), create()]);
  await sandbox.experimentalSetName(name);
  await sandbox.experimentalSetName(name);
  assert.equal((await modal.sandboxes.fromName("modal-names", name)).sandboxId, sandbox.sandboxId);
  await assert.rejects(() => sandbox.experimentalSetName(`${name}-2`), ConflictError);
  await assert.rejects(() => other.experimentalSetName(name), AlreadyExistsError);
  await sandbox.terminate({ wait: true });
  await other.experimentalSetName(name);
  await other.terminate({ wait: true });
  await assert.rejects(() => other.experimentalSetName(name), ConflictError);
});

test("clouds and regions are accepted when there are such, and refused by name when not", async () => {
  await using client = await using("1");
  const { create } = client;
  const sandbox = await create({ command: ["true"], cloud: "aws", regions: ["us-east-1", "eu", "europe-west4"] });
  assert.equal(await sandbox.wait(), 0);
  await assert.rejects(() => create({ cloud: "invalid-cloud" }), /INVALID_ARGUMENT.*"invalid-cloud"/);
  await assert.rejects(
    () => create({ regions: ["us-west-2", "invalid-region"] }),
    /INVALID_ARGUMENT.*"invalid-region"/,
  );
});

test("a token that says which sandbox it is stands in the environment when asked for, and only then", async () => {
  await using client = await using("1");
  const command = ["sh", "-c", "printenv MODAL_IDENTITY_TOKEN || echo UNSET"];
  const [with_, without] = await Promise.all([
    client.create({ command, includeOidcIdentityToken: true }),
    client.create({ command }),
  ]);
  const [, payload = ""] = (await with_.stdout.readText()).split(".");
  assert.equal(JSON.parse(Buffer.from(payload, "base64url").toString()).app_name, "modal-names");
  assert.equal(await without.stdout.readText(), "UNSET\n");
});
