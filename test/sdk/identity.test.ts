import assert from "node:assert/strict";
import { createPublicKey, verify, type webcrypto } from "node:crypto";
import { test } from "node:test";
import { InvalidError, Sandbox } from "@atoll/sdk";
import { useServer } from "../support/server.ts";

useServer();

async function json<T>(url: string): Promise<T> {
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  return (await answer.json()) as T;
}

/** As a relying party does it that knows nothing but the issuer. */
async function verified(token: string, issuer: string): Promise<Record<string, unknown>> {
  const [head = "", payload = "", signature = ""] = token.split(".");
  const decoded = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
  const { jwks_uri } = await json<{ jwks_uri: string }>(`${issuer}/.well-known/openid-configuration`);
  const { keys } = await json<{ keys: (webcrypto.JsonWebKey & { kid: string })[] }>(jwks_uri);
  const key = keys.find(({ kid }) => kid === decoded(head).kid);
  assert.ok(key);
  const isSigned = (text: string) =>
    verify(
      "sha256",
      Buffer.from(text),
      createPublicKey({ key, format: "jwk" }),
      new Uint8Array(Buffer.from(signature, "base64url")),
    );
  assert.ok(isSigned(`${head}.${payload}`));
  assert.ok(!isSigned(`${head}.${payload}x`));
  return decoded(payload);
}

test("a sandbox that asks for one has a token that says which it is, and anybody can verify it", async () => {
  const name = `identity-${process.pid}`;
  const script = 'echo "$ATOLL_IDENTITY_TOKEN"; cat';
  await using sandbox = await Sandbox.create("sh", "-c", script, { name, identityToken: true, timeoutMs: 60_000 });
  const lines = sandbox.stdout[Symbol.asyncIterator]();
  const token = String((await lines.next()).value);
  const claims = await verified(token, String(process.env.ATOLL_URL));
  assert.deepEqual(
    [claims.iss, claims.sandbox_id, claims.app_name, claims.sandbox_name],
    [process.env.ATOLL_URL, sandbox.id, "default", name],
  );
  const deadline = Date.parse(sandbox.lastInfo.deadlineAt ?? "") / 1000;
  assert.ok(Number(claims.exp) >= Math.floor(deadline) && Number(claims.exp) < deadline + 600);
  const printed = await sandbox.exec("sh", "-c", 'echo "$ATOLL_IDENTITY_TOKEN"');
  assert.equal((await printed.stdout.read()).trim(), token);
});

test("without asking there is none, and it can go into another variable", async () => {
  await using sandbox = await Sandbox.create("sh", "-c", 'echo "[$ATOLL_IDENTITY_TOKEN] $OWN"', {
    identityToken: "OWN",
    timeoutMs: 60_000,
  });
  assert.match(await sandbox.stdout.read(), /^\[\] \S+\.\S+\.\S+\n$/);
  await assert.rejects(() => Sandbox.create({ identityToken: "no name" }), InvalidError);
});
