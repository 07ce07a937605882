/** Name servers on addresses of loopback that nobody else uses. */
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { withLength } from "../../src/egress/dns-message.ts";
import { relay } from "../../src/egress/relay.ts";

const [silent, speaking] = ["127.83.0.53", "127.83.1.53"];
const question = Buffer.from([0x12, 0x34, 1, 2, 3]);
const answer = Buffer.from([0x12, 0x34, 9, 9]);
const foreign = Buffer.from([0x12, 0x35, 9, 9]);

test("a question over UDP goes to the next server when one is not there, and an answer to another question is none", async () => {
  await using stack = new AsyncDisposableStack();
  const socket = createSocket("udp4");
  stack.defer(() => new Promise<void>((resolve) => socket.close(resolve)));
  socket.bind(53, speaking);
  await once(socket, "listening");
  socket.on("message", (message, { address, port }) => {
    assert.deepEqual(message, question);
    for (const each of [foreign, answer]) socket.send(each, port, address);
  });
  assert.deepEqual(await relay(question, [silent, speaking], "udp"), answer);
  assert.equal(await relay(question, [silent], "udp"), undefined);
});

test("a question over TCP is passed in one piece, and the answer put together from several", async () => {
  await using stack = new AsyncDisposableStack();
  const server = createServer((socket) => {
    socket.once("data", (bytes) => {
      assert.deepEqual(bytes, withLength(question));
      const [first = 0, ...rest] = withLength(answer);
      socket.write(Buffer.from([first]), () => setImmediate(() => socket.end(Buffer.from(rest))));
    });
  }).listen(53, speaking);
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
  await once(server, "listening");
  assert.deepEqual(await relay(question, [silent, speaking], "tcp"), answer);
});
