import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { request as requestTls } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { serverCertificate } from "../../src/certificates/server-certificate.ts";
import { sharePort } from "../../src/share-port.ts";
import { temporaryDirectory } from "../support/state.ts";

/** A port whose two servers say who they are; `from` is the address that clients seem to have. */
async function port(t: TestContext, options: { allowsPlaintext?: boolean; from?: string } = {}) {
  const { certificate, key } = serverCertificate(join(temporaryDirectory(t), "api"), ["localhost", "127.0.0.1"]);
  const http1 = createServer((_request, response) => response.end("http1"));
  const http2 = createHttp2Server();
  http2.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond();
    stream.end("http2");
  });
  sharePort({
    http1,
    http2,
    pair: () => ({ cert: certificate, key }),
    allowsPlaintext: options.allowsPlaintext ?? false,
  });
  if (options.from !== undefined)
    http1.prependListener("connection", (socket: Socket) =>
      Object.defineProperty(socket, "remoteAddress", { value: options.from }),
    );
  await once(http1.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    http1.closeAllConnections();
    http1.close();
  });
  return { port: (http1.address() as AddressInfo).port, ca: certificate };
}

async function overHttp1(of: { port: number; ca: string }, isEncrypted: boolean) {
  const options = { host: "127.0.0.1", port: of.port, ca: of.ca, agent: false };
  const sent = (isEncrypted ? requestTls(options) : request(options)).end();
  const [answer] = await once(sent, "response");
  let text = "";
  for await (const piece of answer) text += piece;
  return { status: answer.statusCode as number, text };
}

async function overHttp2(of: { port: number; ca: string }, scheme: "http" | "https"): Promise<string> {
  const session = connectHttp2(`${scheme}://127.0.0.1:${of.port}`, { ca: of.ca });
  let failure: unknown;
  session.on("error", (error) => {
    failure = error;
  });
  const stream = session.request({ ":path": "/" });
  let text = "";
  try {
    for await (const piece of stream) text += piece;
  } catch (error) {
    failure ??= error;
  }
  session.destroy();
  if (failure) throw failure;
  return text;
}

test("one port answers HTTP/1.1 and HTTP/2, each with TLS and without", async (t) => {
  const shared = await port(t);
  assert.deepEqual(await overHttp1(shared, false), { status: 200, text: "http1" });
  assert.deepEqual(await overHttp1(shared, true), { status: 200, text: "http1" });
  assert.equal(await overHttp2(shared, "http"), "http2");
  assert.equal(await overHttp2(shared, "https"), "http2");
});

test("other machines need TLS, unless plaintext is allowed", async (t) => {
  const strict = await port(t, { from: "192.0.2.7" });
  const refused = await overHttp1(strict, false);
  assert.equal(refused.status, 426);
  assert.match(JSON.parse(refused.text).error.message, /plaintext on its own machine only/);
  assert.notEqual(await overHttp2(strict, "http").catch(() => "refused"), "http2");
  assert.equal((await overHttp1(strict, true)).text, "http1");
  assert.equal(await overHttp2(strict, "https"), "http2");
  const lax = await port(t, { from: "192.0.2.7", allowsPlaintext: true });
  assert.equal((await overHttp1(lax, false)).text, "http1");
  const mapped = await port(t, { from: "::ffff:127.0.0.1" });
  assert.equal((await overHttp1(mapped, false)).text, "http1");
});

test("who does not trust the certificate, breaks the handshake off or sends nonsense ends alone", async (t) => {
  const shared = await port(t);
  await assert.rejects(overHttp1({ ...shared, ca: "" }, true), /self-signed certificate/);
  for (const bytes of [
    Buffer.from([22, 3, 1, 0, 5, 1, 2, 3]),
    Buffer.from("PRI * nonsense\r\n\r\n"),
    Buffer.from("PR"),
  ]) {
    const socket = connect({ host: "127.0.0.1", port: shared.port });
    socket.on("error", () => socket.destroy()).resume();
    socket.end(bytes);
    if (bytes[0] === 22) socket.destroy();
    else await once(socket, "close");
  }
  assert.equal((await overHttp1(shared, true)).text, "http1");
});
