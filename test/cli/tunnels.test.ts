import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { until } from "../support/daemon.ts";
import { useServer } from "../support/server.ts";
import { get } from "../tunnels/client.ts";
import { atoll, idleSandbox, start, succeed } from "./atoll.ts";

useServer();

const address = /https:\/\/[a-z2-7]{26}\.localhost:\d+/;

describe("ports of sandboxes on the command line", () => {
  test("run says on stderr where its ports are reached, by clients that trust what atoll trust prints", async (t) => {
    const running = start(["run", "--port", "8000", "--", "python3", "-m", "http.server", "8000"]);
    t.after(() => running.child.kill());
    let told = "";
    running.child.stderr?.on("data", (text: string) => {
      told += text;
    });
    await until("it tells the address", () => /^atoll: port 8000 is at https:.*\n/m.test(told));
    const ca = await succeed("trust", "--print");
    const url = address.exec(told)?.[0] ?? "";
    await until("the service answers", async () => (await get(ca, url)).status === 200);
    running.child.kill("SIGINT");
    const { stdout } = await running.finished;
    assert.doesNotMatch(stdout, /port 8000 is at/);
  });

  test("tunnels and inspect show each port and where it is reached, and connect-token opens one", async (t) => {
    const ports = [
      "--port",
      "8000",
      "--h2-port",
      "8443",
      "--unencrypted-port",
      "9000",
      "--inbound-cidr",
      "127.0.0.0/8",
    ];
    const id = await idleSandbox(t, ...ports);
    const found = JSON.parse(await succeed("tunnels", "--json", id));
    assert.deepEqual(Object.keys(found), ["8000", "8443", "9000"]);
    const table = await succeed("tunnels", id);
    assert.match(
      table,
      /^PORT +URL +TCP *\n8000 +https:\S+ *\n8443 +https:\S+ *\n9000 +https:\S+ +127\.0\.0\.1:\d+ *$/,
    );
    const shown = await succeed("inspect", id);
    assert.match(shown, new RegExp(`^Port: +8000, over TLS, at ${found[8000].url}$`, "m"));
    assert.match(shown, new RegExp(`^Port: +8443, over TLS with HTTP/2, at ${found[8443].url}$`, "m"));
    assert.match(shown, new RegExp(`^Port: +9000, over TLS and plain TCP, at ${found[9000].url}$`, "m"));
    assert.match(shown, /^Let in: +127\.0\.0\.0\/8$/m);
    await succeed("exec", "-d", id, "--", "python3", "-m", "http.server", "7000");
    const ca = await succeed("trust", "--print");
    const url = await succeed("connect-token", id, "--port", "7000", "--metadata", "ada", "--ttl", "10m");
    await until("the token opens the port", async () => (await get(ca, url)).status === 200);
    const { token, expiresAt } = JSON.parse(await succeed("connect-token", id, "--port", "7000", "--json"));
    assert.equal((await get(ca, url.split("?")[0] ?? "", { authorization: `Bearer ${token}` })).status, 200);
    assert.ok(Date.parse(expiresAt) > Date.now());
  });

  test("wrong ports and times are refused in words that name them", async (t) => {
    const id = await idleSandbox(t);
    for (const [args, message] of [
      [["run", "--port", "70000", "--", "true"], /encryptedPorts/],
      [["run", "--port", "80", "--block-network", "--", "true"], /port 80 of encryptedPorts: blockNetwork/],
      [["connect-token", id, "--ttl", "soon"], /--ttl/],
      [["tunnels", "nothing-of-that-name"], /nothing-of-that-name/],
    ] as const) {
      const { code, stderr } = await atoll(args);
      assert.notEqual(code, 0);
      assert.match(stderr, message);
      assert.match(stderr, /^atoll: cannot .*\n {2}\S/);
    }
    assert.equal(await succeed("tunnels", "--json", id), "{}");
  });

  test("trust adds the authority to the machine's store, and --undo takes it out", async (t) => {
    t.after(() => succeed("trust", "--undo"));
    const { file } = JSON.parse(await succeed("trust", "--json"));
    assert.ok(existsSync(file));
    const id = await idleSandbox(t, "--port", "8000");
    const { url } = JSON.parse(await succeed("tunnels", "--json", id))[8000];
    assert.equal(await verifies(url), true);
    assert.equal(await succeed("trust", "--undo"), `removed ${file}`);
    assert.equal(existsSync(file), false);
    assert.equal(await verifies(url), false);
  });
});

/** Whether a program that goes by the machine's store accepts the certificate. */
async function verifies(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const argv = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", hostname, "-verify_hostname", hostname];
  return new Promise((resolve) => {
    const child = execFile("openssl", [...argv, "-verify_return_error", "-CApath", "/etc/ssl/certs"], (error) =>
      resolve(error === null),
    );
    child.stdin?.end();
  });
}
