import assert from "node:assert/strict";
import { test } from "node:test";
import { openGrant, sealGrant } from "../../src/tunnels/connect-token.ts";

const key = Buffer.alloc(32, 1);
const grant = { sandboxId: "sb-1", port: 8000, metadata: '{"user":"Zoë"}', expiresAt: 2000 };

test("a grant comes back from its token until it expires", () => {
  const token = sealGrant(key, grant);
  assert.deepEqual(openGrant(key, token, 1999), grant);
  assert.equal(openGrant(key, token, 2000), undefined);
});

test("a token of another key, and one with any change, opens nothing", () => {
  const token = sealGrant(key, grant);
  assert.equal(openGrant(Buffer.alloc(32, 2), token, 0), undefined);
  for (let index = 0; index < token.length; index += 1) {
    const changed = token.slice(0, index) + (token[index] === "A" ? "B" : "A") + token.slice(index + 1);
    assert.equal(openGrant(key, changed, 0), undefined, `character ${index}`);
  }
  for (const wrong of ["", ".", "a", "a.b", token.split(".")[0] ?? "", `.${token.split(".")[1]}`])
    assert.equal(openGrant(key, wrong, 0), undefined);
});
