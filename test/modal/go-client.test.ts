/** The official Go client, unchanged, against this server. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { Client, Image, Secret } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { goProgram } from "./go-client.ts";

const run = promisify(execFile);
const program = await goProgram();
const skip = "reason" in program && program.reason;
useServer();

test("a program builds images, runs processes, and uses files, volumes and secrets", { skip }, async () => {
  assert.ok("path" in program);
  const own = new Client();
  const token = await own.request("createToken", { body: { name: "modal-go" } });
  await Secret.put("modal-go", { STORED: "stored" });
  try {
    const env = {
      ...process.env,
      MODAL_SERVER_URL: process.env.ATOLL_URL,
      MODAL_TOKEN_ID: token.id,
      MODAL_TOKEN_SECRET: token.token,
    };
    const { stdout } = await run(program.path, [], { env, timeout: 300_000 });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "image: true true true",
      "build: true",
      "exec: layer hello /srv/work 3",
      "stdin: through stdin",
      "found: true go true",
      "terminated: 137",
      "files: written 1 file true",
      "snapshot: written",
      "volume: 0 true true",
      "deleted: NotFoundError: Volume 'modal-go' not found",
      "keys: rpc error: code = FailedPrecondition desc = Secret is missing key(s): ABSENT",
      "secrets: stored given",
    ]);
  } finally {
    await own.request("deleteToken", { params: { tokenId: token.id } });
    await Secret.delete("modal-go");
    await Image.delete("modal-go:v1").catch(() => undefined);
  }
});
