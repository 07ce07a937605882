import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { decodeHello, longestHello } from "../../src/egress/client-hello.ts";

/** What OpenSSL sends first for a name. */
async function helloOf(servername: string): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const client = connect({ port, host: "127.0.0.1", servername });
  client.on("error", () => undefined);
  const [socket]: Socket[] = await once(server, "connection");
  const [bytes]: Buffer[] = await once(socket ?? client, "data");
  client.destroy();
  socket?.destroy();
  server.close();
  return bytes ?? Buffer.alloc(0);
}

const vector = (lengthBytes: number, ...parts: Buffer[]) => {
  const bytes = Buffer.concat(parts);
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
};
const extension = (type: number, data: Buffer) =>
  Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, data)]);
const serverName = (name: string) => extension(0, vector(2, Buffer.from([0]), vector(2, Buffer.from(name))));

/** One made by hand, of these extensions. */
function hello(...extensions: Buffer[]): Buffer {
  const body = Buffer.concat([
    Buffer.alloc(34, 3),
    vector(1, Buffer.alloc(32)),
    vector(2, Buffer.from([0x13, 1])),
    vector(1, Buffer.from([0])),
    vector(2, ...extensions),
  ]);
  const message = Buffer.concat([Buffer.from([1]), vector(3, body)]);
  return Buffer.concat([Buffer.from([22, 3, 1]), vector(2, message)]);
}

/** The same message in records of this many bytes each. */
function scattered(bytes: Buffer, each: number): Buffer {
  const pieces = Array.from({ length: Math.ceil((bytes.length - 5) / each) }, (_, index) =>
    bytes.subarray(5 + index * each, 5 + (index + 1) * each),
  );
  return Buffer.concat(pieces.map((piece) => Buffer.concat([Buffer.from([22, 3, 1]), vector(2, piece)])));
}

test("the server name is found in what a client sends, at its last byte and not before", async () => {
  const bytes = await helloOf("api.example.com");
  const complete = { state: "complete", serverName: "api.example.com" };
  assert.deepEqual(decodeHello(bytes), complete);
  for (let length = 0; length < bytes.length; length += 1)
    assert.deepEqual(decodeHello(bytes.subarray(0, length)), { state: "incomplete" }, `${length} bytes`);
  assert.deepEqual(decodeHello(Buffer.concat([bytes, randomBytes(0)])), complete);
  assert.deepEqual(decodeHello(hello(serverName("a.test"))), { state: "complete", serverName: "a.test" });
  assert.deepEqual(decodeHello(scattered(hello(serverName("a.test")), 20)), {
    state: "complete",
    serverName: "a.test",
  });
});

test("a name that is missing, hidden, doubled or malformed is none", () => {
  const why = (bytes: Buffer) => {
    const found = decodeHello(bytes);
    return found.state === "unusable" ? found.why : found.state;
  };
  assert.equal(why(hello()), "it names no server");
  assert.match(why(hello(serverName("a.test"), extension(0xfe0d, Buffer.alloc(8)))), /may hide its server name/);
  assert.match(why(hello(serverName("a.test"), serverName("b.test"))), /malformed/);
  const two = vector(2, Buffer.from([0]), vector(2, Buffer.from("a")), Buffer.from([0]), vector(2, Buffer.from("b")));
  assert.match(why(hello(extension(0, two))), /malformed/);
  assert.match(why(hello(extension(0, Buffer.from([0])))), /malformed/);
  assert.match(why(Buffer.from("GET / HTTP/1.1")), /no TLS handshake/);
  assert.match(why(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])), /does not begin with a ClientHello/);
});

test("one without an end is given up", () => {
  const huge = Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff]), Buffer.alloc(longestHello)]);
  assert.equal(decodeHello(huge).state, "unusable");
  const drip = Buffer.concat(Array.from({ length: longestHello }, () => Buffer.from([22, 3, 1, 0, 1, 1])));
  assert.equal(decodeHello(drip).state, "unusable");
  assert.deepEqual(decodeHello(scattered(hello(serverName("a.test")), 1)), {
    state: "unusable",
    why: "its ClientHello is in too many pieces",
  });
});

test("no bytes make it throw", async () => {
  const good = await helloOf("api.example.com");
  for (let turn = 0; turn < 5000; turn += 1) {
    const bytes = Buffer.from(good);
    for (let flips = randomInt(6); flips >= 0; flips -= 1) bytes[randomInt(bytes.length)] = randomInt(256);
    decodeHello(bytes);
    decodeHello(Buffer.concat([Buffer.from([22, 3, 1, 0, 60, 1, 0, 0, 56]), randomBytes(56)]));
  }
});
