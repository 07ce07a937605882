/** The official clients over TLS, with nothing but the server's certificate to trust. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { type Daemon, openDaemon } from "../support/daemon.ts";
import { checkout, useServer } from "../support/server.ts";
import { usePython, withPython } from "./python-client.ts";

const run = promisify(execFile);
const using = usePython("modal-tls");
useServer();

/** Clients take shortcuts with names that they know for this machine's own; this one they do not. */
const name = "atoll.test";
let daemon: Daemon;
let env: NodeJS.ProcessEnv;

before(async () => {
  daemon = await openDaemon({ ATOLL_ISSUER: `https://${name}` });
  const { port } = new URL(daemon.url);
  const { id, token } = await daemon.client.request("createToken", { body: { name: "modal-tls" } });
  // The certificate is made when it is first needed.
  const socket = connect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  socket.destroy();
  const certificate = join(daemon.directory, "certificates/api/certificate.pem");
  // Python takes the one for files and processes, and where it gets the other from is up to the package certifi.
  const trust = { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: certificate, SSL_CERT_FILE: certificate };
  const modal = { MODAL_SERVER_URL: `https://${name}:${port}`, MODAL_TOKEN_ID: id, MODAL_TOKEN_SECRET: token };
  env = { ...process.env, ...trust, ...modal, MODAL_SANDBOX_V2: "1" };
});
after(() => daemon?.remove());

const program = `
import dns from "node:dns";
const { lookup } = dns.promises;
dns.promises.lookup = (asked, options) => lookup(asked === "${name}" ? "127.0.0.1" : asked, options);
const { ModalClient } = await import("modal");
const modal = new ModalClient();
const app = await modal.apps.fromName("tls", { createIfMissing: true });
const sandbox = await modal.sandboxes.create(app, modal.images.fromRegistry("debian:bookworm-slim"), { timeoutMs: 60_000 });
const shell = await sandbox.exec(["sh", "-c", "cat; echo there"]);
await shell.stdin.writeText("here ");
await shell.stdin.close();
console.log(await shell.stdout.readText());
await sandbox.filesystem.writeText("in a file", "/tmp/file");
console.log(await sandbox.filesystem.readText("/tmp/file"));
await sandbox.terminate();
modal.close();
`;

test("the npm client works over TLS, and refuses a server whose certificate it does not know", async () => {
  const argv = ["--input-type=module", "--eval", program];
  const options = { cwd: checkout, timeout: 120_000 };
  const { stdout } = await run(process.execPath, argv, { ...options, env });
  assert.equal(stdout, "here there\n\nin a file\n");
  const { GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: _trusted, ...others } = env;
  await assert.rejects(run(process.execPath, argv, { ...options, env: others }), /certificate/);
});

test("the Python client works over TLS", withPython, async () => {
  const client = await using("1.5.4");
  Object.assign(process.env, env);
  const printed = await client.python(`
import certifi, os, socket
certifi.where = lambda: os.environ["SSL_CERT_FILE"]
lookup = socket.getaddrinfo
socket.getaddrinfo = lambda asked, *rest, **more: lookup("127.0.0.1" if asked == "${name}" else asked, *rest, **more)
import modal
app = modal.App.lookup("tls", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, timeout=60)
print(sandbox.exec("echo", "over TLS").stdout.read(), end="")
sandbox.filesystem.write_text("in a file", "/tmp/file")
print(sandbox.filesystem.read_text("/tmp/file"))
sandbox.terminate()
`);
  assert.equal(printed, "over TLS\nin a file\n");
});
