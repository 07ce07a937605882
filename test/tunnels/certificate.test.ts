import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { Authority } from "../../packages/server/src/certificates/authority.ts";
import { newKey } from "../../packages/server/src/certificates/certificate.ts";
import { daemon, until } from "../support/daemon.ts";
import { useServer } from "../support/server.ts";
import { get } from "./client.ts";

useServer();

const domain = "sandboxes.test";

test("tunnels are served under a domain and a certificate of one's own, which is read again once it is renewed", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-certificate-"));
  const [chain, key] = [join(directory, "chain.pem"), join(directory, "key.pem")];
  const [first, second] = ["First", "Second"].map((commonName) => Authority.make({ commonName }));
  const write = (authority: Authority | undefined) => {
    const pair = authority?.leaf(`*.${domain}`);
    writeFileSync(chain, pair?.certificate ?? "");
    writeFileSync(key, pair?.key ?? "");
  };
  write(first);
  const env = { ATOLL_TUNNEL_DOMAIN: domain, ATOLL_TUNNEL_CERTIFICATE: chain, ATOLL_TUNNEL_KEY: key };
  // Removed after the server that reads them, however that started.
  const own = await daemon(t, env).finally(() => t.after(() => rmSync(directory, { recursive: true })));
  const argv = ["python3", "-m", "http.server", "8000", "--bind", "0.0.0.0"];
  const sandbox = await Sandbox.create(argv, { client: own.client, encryptedPorts: [8000] });
  const { url = "", host = "" } = (await sandbox.tunnels())[8000] ?? {};
  assert.match(host, /^[a-z2-7]{26}\.sandboxes\.test$/);
  const trusts = async (authority: Authority | undefined) =>
    (await get(authority?.certificate ?? "", url).catch(() => undefined))?.status === 200;
  await until("the first certificate is served", () => trusts(first));
  assert.equal(await trusts(second), false);
  const { stdout } = await own.atoll("trust");
  assert.match(stdout, /^sandboxes\.test has a certificate of its own: there is nothing to trust\n/);
  // As in the middle of a renewal.
  writeFileSync(key, newKey());
  await until("the server says that the pair does not fit", async () => {
    assert.equal(await trusts(first), true);
    return /cannot use the renewed certificate/.test(own.log);
  });
  write(second);
  await until("the second certificate is served", () => trusts(second));
  await own.kill();
  writeFileSync(chain, "nothing");
  await assert.rejects(own.start(), /cannot use .*chain\.pem for tunnels: it holds no PEM of a certificate/);
  write(second);
});
