import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, createServer } from "node:tls";
import { Authority } from "../../src/certificates/authority.ts";
import type { KeyPair } from "../../src/certificates/certificate.ts";
import { LRUCache } from "../../src/lru-cache.ts";
import { temporaryDirectory, undoAfter } from "../support/state.ts";

test("a TLS client that trusts the root accepts a server for the name of its leaf, and for no other", async (t) => {
  const root = Authority.make({ commonName: "Test root" });
  assert.equal(await verify(t, root, root.leaf("web.example.com"), "web.example.com"), "OK");
  assert.match(await verify(t, root, root.leaf("web.example.com"), "other.example.com"), /ALTNAME_INVALID/);
  const other = Authority.make({ commonName: "Test root" });
  assert.match(
    await verify(t, other, root.leaf("web.example.com"), "web.example.com"),
    /SIGNATURE|SELF_SIGNED|DEPTH_ZERO|ISSUER/,
  );
});

test("an authority with permitted names signs in vain for others, and for addresses", async (t) => {
  const root = Authority.make({ commonName: "Test root", permitted: ["example.com", "localhost"] });
  for (const name of ["example.com", "a.b.example.com", "x.localhost"])
    assert.equal(await verify(t, root, root.leaf(name), name), "OK", name);
  for (const name of ["example.org", "notexample.com", "localhost.org"])
    assert.match(await verify(t, root, root.leaf(name), name), /permitted subtree violation/, name);
});

test("an authority under another is verified through its root, within its own names alone", async (t) => {
  const root = Authority.make({ commonName: "Test root" });
  const below = Authority.make({ commonName: "Test branch", permitted: ["example.com"], issuer: root });
  assert.equal(await verify(t, root, below.leaf("api.example.com"), "api.example.com"), "OK");
  assert.match(await verify(t, root, below.leaf("example.org"), "example.org"), /permitted subtree violation/);
});

test("the authority of a directory is made once, and its key is its owner's", (t) => {
  const directory = join(temporaryDirectory(t), "certificates");
  const first = Authority.in(directory, { commonName: "Kept" });
  assert.equal(Authority.in(directory, { commonName: "Kept" }).certificate, first.certificate);
  assert.equal(statSync(join(directory, "authority.pem")).mode & 0o777, 0o600);
  writeFileSync(join(directory, "authority.pem"), "half");
  assert.throws(
    () => Authority.in(directory, { commonName: "Kept" }),
    /cannot use the key and the certificate in .*remove the file/,
  );
});

test("a name is signed for once", () => {
  const root = Authority.make({ commonName: "Test root" });
  assert.equal(root.leaf("a.localhost"), root.leaf("a.localhost"));
  assert.notEqual(root.leaf("a.localhost").certificate, root.leaf("b.localhost").certificate);
});

test("a cache forgets what was not asked for the longest", () => {
  const cache = new LRUCache<string, number>(2);
  cache.set("a", 1);
  cache.set("b", 2);
  cache.get("a");
  cache.set("c", 3);
  assert.deepEqual([cache.get("a"), cache.get("b"), cache.get("c")], [1, undefined, 3]);
});

/** What a TLS client that trusts the root alone says to a server with this leaf: "OK", or what it has against it. */
async function verify(t: TestContext, root: Authority, { certificate, key }: KeyPair, name: string): Promise<string> {
  const server = createServer({ cert: certificate, key }, (socket) => socket.resume()).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => undefined);
  undoAfter(t, () => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: "127.0.0.1", servername: name, ca: root.certificate });
  const answer = await once(socket, "secureConnect").then(
    () => "OK",
    ({ code, message }) => `${code} ${message}`,
  );
  socket.destroy();
  return answer;
}
