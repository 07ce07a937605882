/** Secrets that sandboxes use and never have, against a site that tells what it was sent. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Sandbox, Secret } from "@atoll/sdk";
import { type Daemon, openDaemon, until } from "../support/daemon.ts";
import { eachIsolation, shell } from "../support/isolation.ts";
import { openSite, type Site } from "../support/site.ts";

const value = `value-${crypto.randomUUID()}`;
const outboundSecrets = [
  {
    domain: "api.example.com",
    secret: "service",
    headers: { Authorization: "Bearer {{API_KEY}}", "X-Kept": "a {{API_KEY}} b" },
  },
  { domain: "forged.test", secret: "service", headers: { Authorization: "{{API_KEY}}" } },
];
const outboundDomainAllowlist = ["api.example.com", "other.test", "forged.test"];

let site: Site;
let server: Daemon;
let directory: string;
before(async () => {
  site = await openSite((address) => ({
    "api.example.com": [[address]],
    "other.test": [[address]],
    "forged.test": [[address]],
  }));
  directory = mkdtempSync(join(tmpdir(), "atoll-ca-"));
  const authorities = join(directory, "site.pem");
  writeFileSync(authorities, site.authority);
  server = await openDaemon({
    ATOLL_NAME_SERVERS: site.address,
    ATOLL_POOL: "0",
    ATOLL_LOG_LEVEL: "trace",
    NODE_EXTRA_CA_CERTS: authorities,
  });
  const { client } = server;
  await client.request("putSecret", { params: { name: "service" }, body: { values: { API_KEY: value } } });
});
after(async () => {
  await server?.remove();
  await site?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const create = (isolation: "gvisor" | "container") =>
  Sandbox.create({ client: server.client, isolation, outboundDomainAllowlist, outboundSecrets, timeoutMs: 600_000 });

eachIsolation((isolation) => {
  test("requests to the name have the secret, whatever program makes them, and the sandbox has it nowhere", async () => {
    await using sandbox = await create(isolation);
    const curl = await shell(sandbox, "curl -sS -H 'authorization: Bearer placeholder' https://api.example.com/curl");
    assert.equal(curl.stderr, "");
    const { headers, servername } = JSON.parse(curl.stdout.replaceAll(value, "THE SECRET"));
    assert.deepEqual(
      [headers.authorization, headers["x-kept"], servername],
      ["Bearer THE SECRET", "a THE SECRET b", "api.example.com"],
    );
    const python = await shell(
      sandbox,
      `python3 -c "import urllib.request as u; print(u.urlopen('https://api.example.com/python').status)"; curl -sS -x http://169.254.1.1:3128 -o /dev/null -w '%{http_code}' https://api.example.com/connect`,
    );
    assert.deepEqual([python.stdout, python.stderr], ["200\n200", ""]);
    const everywhere = await shell(
      sandbox,
      `env; cat /run/atoll/* /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; grep -rls 'value-' /run /etc /root /tmp 2>/dev/null; true`,
    );
    assert.ok(!everywhere.stdout.includes("value-"), "nothing of it is in the sandbox");
    assert.match(everywhere.stdout, /SSL_CERT_FILE=/);
    const told = JSON.stringify([sandbox.lastInfo, await sandbox.info(), await sandbox.network.log()]);
    assert.ok(!told.includes(value) && told.includes('"secret":"service"'));
    const used = (await sandbox.network.log()).find(({ secret }) => secret === "service");
    assert.deepEqual([used?.destination, used?.port, used?.count], ["api.example.com", 443, 3]);
  });

  test("the secret goes to that name over TLS alone: not elsewhere, not in the clear, not to a server that nobody vouches for", async () => {
    await using sandbox = await create(isolation);
    const sent = async (command: string) => (await shell(sandbox, command)).stdout;
    for (const command of [
      "curl -sS http://api.example.com/clear",
      "curl -sSk https://other.test/other",
      "curl -sSk -x http://169.254.1.1:3128 https://api.example.com:8443/port",
    ]) {
      const answer = await sent(command);
      assert.match(answer, /"headers"/, command);
      assert.ok(!answer.includes(value), command);
    }
    assert.match(
      await sent("curl -sS https://forged.test/forged"),
      /^cannot trust forged.test: unable to verify the first certificate\n/,
    );
    assert.ok(!site.heard.some(({ url }) => url === "/forged"));
    assert.match(await sent("curl -sS -X TRACE https://api.example.com/"), /cannot pass TRACE on/);
    const smuggled = await sent("curl -sS -H 'Host: other.test' https://api.example.com/smuggled");
    assert.match(smuggled, /cannot reach other.test through a connection to api.example.com/);
    const issuers = await sent(
      `for name in api.example.com other.test; do echo | openssl s_client -connect $name:443 -servername $name 2>/dev/null | grep -o 'issuer=.*'; done`,
    );
    assert.match(issuers, /issuer=CN = "?Atoll, for secrets of sb-\w+"?\nissuer=CN = Site\n/);
  });
});

test("a sandbox trusts its own authority for the names of its secrets alone", async () => {
  await using sandbox = await create("container");
  const path = join(server.directory, "certificates/sandboxes", sandbox.id, "authority.pem");
  const text = execFileSync("openssl", ["x509", "-in", path, "-noout", "-text"], { encoding: "utf8" });
  assert.match(text, /Name Constraints: critical\s+Permitted:\s+DNS:api\.example\.com\s+DNS:forged\.test\n/);
  await sandbox.terminate();
  await until("its authority is gone", () => {
    try {
      return readFileSync(path) === undefined;
    } catch {
      return true;
    }
  });
});

test("after a restart the secret goes on, and one that was deleted is said to be gone", async () => {
  await using sandbox = await create("container");
  const ask = async () => (await shell(sandbox, "curl -sS --max-time 20 https://api.example.com/again")).stdout;
  assert.ok((await ask()).includes(value));
  await server.kill();
  await server.start();
  await until("the next server puts it in", async () => (await ask()).includes(value));
  await server.client.request("deleteSecret", { params: { name: "service" } });
  await sandbox.updateNetworkPolicy({ outboundDomainAllowlist });
  assert.match(await ask(), /cannot put the secret "service" into the request/);
  const kept = ["--include=*.log", "--include=*.json", "--include=atoll.db*"];
  assert.equal(spawnSync("grep", ["-rlaF", value, server.directory, ...kept], { encoding: "utf8" }).stdout, "");
});

test("the command line allows names and puts secrets in too", async () => {
  await server.client.request("putSecret", { params: { name: "cli" }, body: { values: { KEY: "from-cli" } } });
  const { stdout } = await server.atoll(
    ...["run", "--isolation", "container", "--allow-domain", "api.example.com"],
    ...["--inject-secret", "api.example.com=cli:X-Key: <{{KEY}}>"],
    ...["--", "curl", "-sS", "https://api.example.com/cli"],
  );
  assert.equal(JSON.parse(stdout).headers["x-key"], "<from-cli>");
  await assert.rejects(server.atoll("run", "--inject-secret", "nonsense", "--", "true"), /cannot read "nonsense"/);
});

test("what cannot be is refused by name, before anything starts", async () => {
  const refused = async (secret: object, message: RegExp) =>
    assert.rejects(
      () =>
        Sandbox.create({
          client: server.client,
          outboundDomainAllowlist: ["*.example.com"],
          outboundSecrets: [{ domain: "api.example.com", secret: "present", headers: { a: "{{KEY}}" }, ...secret }],
        }),
      message,
    );
  await server.client.request("putSecret", { params: { name: "present" }, body: { values: { KEY: "v" } } });
  await refused({ domain: "other.test" }, /other.test is not in outboundDomainAllowlist/);
  await refused({ domain: "*.example.com" }, /invalid domain: \*\.example\.com/);
  await refused({ secret: "absent" }, /cannot find the secret "absent"/);
  await refused({ headers: { a: "{{OTHER}}" } }, /"present" has no OTHER/);
  await refused({ headers: { a: "plain" } }, /header a has nothing of the secret/);
  await refused({ headers: { Host: "{{KEY}}" } }, /header Host cannot be set/);
  await refused({ secret: Secret.fromObject({ KEY: "v" }) }, /cannot send a secret of this program/);
});
