import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { Client, ConnectionError, SandboxFilesystem, SandboxFilesystemNoSpaceError } from "../src/index.ts";

const sandboxId = "sb-0000000000000000000000";

async function filesOf(t: TestContext, listener: RequestListener): Promise<SandboxFilesystem> {
  return new SandboxFilesystem(new Client({ baseUrl: await serverOf(t, listener), retryForMs: 2000 }), sandboxId);
}

async function serverOf(t: TestContext, listener: RequestListener): Promise<string> {
  // Closes no connection by itself: what waits for one waits until the client lets go.
  const server = createServer({ keepAliveTimeout: 0 }, listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function* pieces(count: number, taken: () => void): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index += 1) {
    taken();
    yield new Uint8Array(1024 * 1024);
  }
}

test("a stream is sent as it comes, and only as fast as the server takes it", async (t) => {
  let taken = 0;
  let received = 0;
  const fs = await filesOf(t, async (request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(taken < 64, `${taken} pieces were taken from the source while nobody read`);
    for await (const piece of request) received += piece.length;
    response.end("{}");
  });
  await fs.writeStream(
    "/file",
    pieces(256, () => taken++),
  );
  assert.equal(received, 256 * 1024 * 1024);
});

test("an answer that comes early ends the upload, and is its outcome", async (t) => {
  let taken = 0;
  const error = { code: "no_space", message: "cannot write /file: no space is left", hint: "Remove files." };
  const fs = await filesOf(t, (request, response) => {
    request.once("data", () => {
      request.pause();
      response.writeHead(507).end(JSON.stringify({ error }));
    });
  });
  await assert.rejects(
    fs.writeStream(
      "/file",
      pieces(10_000, () => taken++),
    ),
    SandboxFilesystemNoSpaceError,
  );
  assert.ok(taken < 1000);
});

test("a body in memory that is refused early keeps no program from ending", async (t) => {
  const error = { code: "no_space", message: "cannot write /file: no space is left", hint: "Remove files." };
  const url = await serverOf(t, (request, response) => {
    request.once("data", () => {
      request.pause();
      response.writeHead(507).end(JSON.stringify({ error }));
    });
  });
  const program = `
    import { Client, SandboxFilesystem } from ${JSON.stringify(import.meta.resolve("../src/index.ts"))};
    const fs = new SandboxFilesystem(new Client({ baseUrl: "${url}" }), "${sandboxId}");
    await fs.writeBytes("/file", new Uint8Array(64 * 1024 * 1024)).catch(({ code }) => console.log(code));`;
  const argv = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 30_000 });
  assert.equal(stdout, "no_space\n");
});

test("neither a stream nor what appends is sent twice after a lost connection; what can be repeated is", async (t) => {
  let requests = 0;
  const fs = await filesOf(t, (request, response) => {
    requests += 1;
    if (requests < 4) request.socket.destroy();
    else response.end("{}");
  });
  await assert.rejects(fs.writeStream("/file", ["text"]), ConnectionError);
  assert.equal(requests, 1);
  await assert.rejects(fs.writeText("/file", "text", { append: true }), ConnectionError);
  assert.equal(requests, 2);
  await fs.writeText("/file", "text");
  assert.equal(requests, 4);
});
