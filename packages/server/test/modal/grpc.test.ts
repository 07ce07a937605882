import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { pino } from "pino";
import { generated, sourcesDigest } from "../../scripts/modal-schemas.ts";
import { AtollError } from "../../src/error.ts";
import { SandboxWaitRequestSchema, SandboxWaitResponseSchema } from "../../src/modal/generated/sandboxes_pb.ts";
import { answerCall } from "../../src/modal/grpc/answer.ts";
import { framed, mostMessageBytes } from "../../src/modal/grpc/messages.ts";
import { clientStream, type Rpcs, serverStream, unary } from "../../src/modal/grpc/rpc.ts";
import { StatusError } from "../../src/modal/grpc/status.ts";
import { SignedTokens } from "../../src/modal/signed-token.ts";

const [input, output] = [SandboxWaitRequestSchema, SandboxWaitResponseSchema];
const answerOf = (exception: string) => ({ result: { exception } });
const rpcs: Rpcs = {
  Echo: unary(input, output, ({ sandboxId }) => answerOf(sandboxId)),
  Fail: unary(input, output, () => {
    throw new AtollError("conflict", "cannot name it: 100% taken – already exists");
  }),
  Count: serverStream(input, output, async function* ({ timeout }) {
    for (let at = 0; at < timeout; at += 1) yield answerOf(String(at));
  }),
  Hang: serverStream(input, output, async function* (_request, { signal }) {
    yield answerOf("begun");
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }),
  Join: clientStream(input, output, async (requests) => {
    let text = "";
    for await (const { sandboxId } of requests) text += sandboxId;
    return answerOf(text);
  }),
};

const request = (sandboxId: string, timeout = 0) => framed(toBinary(input, create(input, { sandboxId, timeout })));

async function server(t: TestContext) {
  const find = (path: string, call: never) => {
    const rpc = rpcs[path.slice(1)];
    if (!rpc) throw new StatusError("unimplemented", `cannot answer ${path}`);
    return (requests: AsyncGenerator<Buffer>) => rpc(requests, call);
  };
  const stopping = new AbortController();
  const options = { find: find as never, log: pino({ level: "silent" }), stopping: stopping.signal };
  const listening = createServer().on(
    "stream",
    (stream, headers) => void answerCall(stream as ServerHttp2Stream, headers, options),
  );
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const session = connect(`http://127.0.0.1:${(listening.address() as AddressInfo).port}`);
  t.after(() => {
    session.destroy();
    listening.close();
  });
  const call = (name: string, pieces: readonly Buffer[], headers: Record<string, string> = {}) =>
    new Promise<{ status: string; message: string; answers: string[] }>((resolve, reject) => {
      const stream = session.request({
        ":method": "POST",
        ":path": `/${name}`,
        "content-type": "application/grpc",
        ...headers,
      });
      const body: Buffer[] = [];
      let end: Record<string, unknown> = {};
      stream.on("response", (head) => Object.assign(end, head));
      stream.on("trailers", (trailers) => {
        end = { ...end, ...trailers };
      });
      stream.on("data", (piece: Buffer) => body.push(piece));
      stream.on("end", () =>
        resolve({
          status: String(end["grpc-status"]),
          message: decodeURIComponent(String(end["grpc-message"] ?? "")),
          answers: messagesIn(Buffer.concat(body)),
        }),
      );
      stream.on("error", reject);
      for (const piece of pieces) stream.write(piece);
      stream.end();
    });
  return { call, stopping };
}

function messagesIn(bytes: Buffer): string[] {
  if (bytes.length === 0) return [];
  const end = 5 + bytes.readUInt32BE(1);
  return [fromBinary(output, bytes.subarray(5, end)).result?.exception ?? "", ...messagesIn(bytes.subarray(end))];
}

test("a call is answered, also when its message comes in pieces", async (t) => {
  const { call } = await server(t);
  const message = request("hello");
  assert.deepEqual(await call("Echo", [message]), { status: "0", message: "", answers: ["hello"] });
  const bytes = [...message].map((byte) => Buffer.from([byte]));
  assert.deepEqual((await call("Echo", bytes)).answers, ["hello"]);
});

test("a failure is a status with its message, whatever characters it has", async (t) => {
  const { call } = await server(t);
  const { status, message } = await call("Fail", [request("x")]);
  assert.equal(status, "6");
  assert.match(message, /^cannot name it: 100% taken – already exists/);
  assert.equal((await call("Nothing", [request("x")])).status, "12");
});

test("streams of answers and of requests keep their order", async (t) => {
  const { call } = await server(t);
  assert.deepEqual((await call("Count", [request("x", 3)])).answers, ["0", "1", "2"]);
  assert.deepEqual((await call("Join", [request("a"), request("b"), request("c")])).answers, ["abc"]);
});

test("a deadline ends a call with DEADLINE_EXCEEDED, and a stop of the server with UNAVAILABLE", async (t) => {
  const { call, stopping } = await server(t);
  const late = await call("Hang", [request("x")], { "grpc-timeout": "50m" });
  assert.deepEqual([late.status, late.answers], ["4", ["begun"]]);
  const hanging = call("Hang", [request("x")]);
  setTimeout(() => stopping.abort(new Error("stopping")), 50);
  assert.equal((await hanging).status, "14");
});

test("requests that are none are refused, and the next call is answered", async (t) => {
  const { call } = await server(t);
  const compressed = request("x");
  compressed[0] = 1;
  const huge = Buffer.alloc(5);
  huge.writeUInt32BE(mostMessageBytes + 1, 1);
  const refused: readonly [string, readonly Buffer[]][] = [
    ["3", []],
    ["3", [request("a"), request("b")]],
    ["3", [request("abc").subarray(0, 6)]],
    ["3", [framed(Buffer.from([0x0a, 0xff, 0xff]))]],
    ["12", [compressed]],
    ["8", [huge]],
  ];
  for (const [status, pieces] of refused) assert.equal((await call("Echo", pieces)).status, status);
  for (let round = 0; round < 300; round += 1) {
    const noise = Buffer.from(Array.from({ length: round % 40 }, () => Math.floor(Math.random() * 256)));
    const { status } = await call("Echo", [round % 2 ? framed(noise) : noise]);
    assert.match(status, /^(0|3|8|12)$/);
  }
  assert.deepEqual((await call("Echo", [request("still here")])).answers, ["still here"]);
});

test("a signed token is taken for its purpose, until it is too old, and from this server only", () => {
  const tokens = new SignedTokens(Buffer.alloc(32, 1));
  const token = tokens.sign("task", "sb-1", 60_000);
  assert.equal(tokens.subject("task", token), "sb-1");
  assert.equal(tokens.subject("auth", token), undefined);
  assert.equal(new SignedTokens(Buffer.alloc(32, 2)).subject("task", token), undefined);
  assert.equal(tokens.subject("task", tokens.sign("task", "sb-1", -2000)), undefined);
  for (const text of ["", "a.b.c", `${token}x`, token.slice(1), token.replace(/\.[^.]*$/, ".")]) {
    assert.equal(tokens.subject("task", text), undefined);
  }
  assert.doesNotMatch(token.split(".")[1] ?? "", /[-_]/);
});

test("what was generated belongs to the schemas", () => {
  const digest = readFileSync(join(generated, "sources.sha256"), "utf8").trim();
  assert.equal(digest, sourcesDigest(), "run node packages/server/scripts/generate-modal.ts");
});
