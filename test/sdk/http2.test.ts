/** The native API over HTTP/2, as proxies and other clients speak it. */
import assert from "node:assert/strict";
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from "node:http2";
import { after, before, test } from "node:test";
import { useServer } from "../support/server.ts";

useServer();

let session: ClientHttp2Session;
before(() => {
  session = connect(String(process.env.ATOLL_URL));
});
after(() => session?.destroy());

async function ask(method: string, path: string, body?: string, headers: OutgoingHttpHeaders = {}) {
  const own = { ":method": method, ":path": path, authorization: `Bearer ${process.env.ATOLL_TOKEN}`, ...headers };
  const stream = session.request(own);
  const head = new Promise<number>((resolve) => stream.once("response", (got) => resolve(Number(got[":status"]))));
  stream.end(body);
  let text = "";
  for await (const piece of stream) text += piece;
  return { status: await head, text };
}

test("sandboxes are created, written to, followed and ended over HTTP/2, many requests at once", async () => {
  const json = { "content-type": "application/json" };
  const wanted = JSON.stringify({ command: ["sh", "-c", "echo begun; cat"], timeoutMs: 60_000 });
  const created = await ask("POST", "/v1/sandboxes", wanted, json);
  assert.equal(created.status, 201);
  const main = `/v1/sandboxes/${JSON.parse(created.text).id}/processes/main`;
  const following = ask("GET", `${main}/output/stdout`);
  const written = await ask("POST", `${main}/stdin?offset=0&eof=true`, "said");
  assert.deepEqual(JSON.parse(written.text), { offset: 4 });
  assert.equal((await following).text, "begun\nsaid");
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask("GET", main)));
  assert.ok(answers.every(({ status }) => status === 200));
});

test("errors over HTTP/2 are those of HTTP/1.1", async () => {
  assert.equal((await ask("GET", "/v1/status", undefined, { authorization: "Bearer wrong" })).status, 401);
  assert.equal(JSON.parse((await ask("GET", "/v1/nothing")).text).error.code, "not_found");
  assert.equal((await ask("GET", "/v1/status", undefined, { ":authority": "evil.example" })).status, 400);
});
