import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Authority } from "../../src/certificates/authority.ts";
import { newKey } from "../../src/certificates/certificate.ts";
import { configFrom } from "../../src/config.ts";
import { withinOpenFiles } from "../../src/tunnels/tunnel-config.ts";
import { temporaryDirectory } from "../support/state.ts";

test("a certificate and a key that fit each other and the domain are taken", (t) => {
  const { chain, key, env } = filesFor(t, "*.sandboxes.test");
  assert.deepEqual(configFrom(env).tunnels.certificate, { chain, key });
  assert.equal(configFrom(env).tunnels.domain, "sandboxes.test");
});

test("a wrong certificate, key or domain is refused in words that say which and why", (t) => {
  const { chain, key, env } = filesFor(t, "*.sandboxes.test");
  const refused = (change: Record<string, string>, message: RegExp) =>
    assert.throws(() => configFrom({ ...env, ...change }), { message });
  refused({ ATOLL_TUNNEL_KEY: "" }, /^cannot use one of ATOLL_TUNNEL_CERTIFICATE and ATOLL_TUNNEL_KEY: name both/);
  refused({ ATOLL_TUNNEL_CERTIFICATE: `${chain}x` }, /^cannot read .*chain\.pemx for tunnels: ENOENT/);
  refused({ ATOLL_TUNNEL_CERTIFICATE: key }, /^cannot use .*key\.pem for tunnels: it holds no PEM of a certificate/);
  refused({ ATOLL_TUNNEL_KEY: chain }, /^cannot use .*chain\.pem for tunnels: it holds no PEM of a private key/);
  refused({ ATOLL_TUNNEL_DOMAIN: "other.test" }, /it is not for \*\.other\.test but for DNS:\*\.sandboxes\.test; set/);
  refused({ ATOLL_TUNNEL_DOMAIN: "a b" }, /^cannot use ATOLL_TUNNEL_DOMAIN=a b: write it as/);
  refused({ ATOLL_TUNNEL_CONNECTIONS: "0" }, /^cannot use ATOLL_TUNNEL_CONNECTIONS=0/);
  writeFileSync(key, newKey());
  refused({}, /key\.pem for tunnels: it is not the key of the certificate in .*chain\.pem/);
});

test("connections leave the rest of the server its files", () => {
  const { tunnels } = configFrom({});
  for (const [openFiles, most] of [
    [1_048_576, 8000],
    [20_000, 8000],
    [10_000, 3000],
    [1024, 256],
  ] as const) {
    const { maxConnections, maxSandboxConnections } = withinOpenFiles(tunnels, openFiles);
    assert.deepEqual([maxConnections, maxSandboxConnections], [most, Math.min(most, 4000)]);
  }
});

function filesFor(t: Parameters<typeof temporaryDirectory>[0], name: string) {
  const directory = temporaryDirectory(t);
  const [chain, key] = [join(directory, "chain.pem"), join(directory, "key.pem")];
  const pair = Authority.make({ commonName: "Test" }).leaf(name);
  writeFileSync(chain, pair.certificate);
  writeFileSync(key, pair.key);
  const env = {
    ATOLL_TUNNEL_DOMAIN: name.slice(2),
    ATOLL_TUNNEL_CERTIFICATE: chain,
    ATOLL_TUNNEL_KEY: key,
  };
  return { chain, key, env };
}
