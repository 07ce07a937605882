import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ConflictError, InvalidError, StdinWriter } from "../src/index.ts";
import { type Answer, drop, fakeServer, inTurn, json, processId, sandboxId } from "./fake-server.ts";

/** A process's stdin as the server keeps it: bytes below what it has are skipped. */
async function stdinServer(t: TestContext, before: readonly Answer[] = [], acceptedAtOnce = Number.POSITIVE_INFINITY) {
  let log = Buffer.alloc(0);
  let isClosed = false;
  const accept: Answer = ({ query, body, response }) => {
    const offset = Number(query.get("offset") ?? 0);
    const news = body.subarray(Math.max(0, log.length - offset)).subarray(0, acceptedAtOnce);
    log = Buffer.concat([log, news]);
    if (query.get("eof") === "true" && log.length >= offset + body.length) isClosed = true;
    json(response, 200, { offset: log.length });
  };
  const acceptAndDrop: Answer = (received) => {
    const response = { writeHead: () => ({ end: () => drop(received) }) };
    return accept({ ...received, response: response as unknown as typeof received.response });
  };
  const lost = before.map((answer) => (answer === drop ? acceptAndDrop : answer));
  const server = await fakeServer(t, { writeStdin: inTurn(...lost, accept) });
  return {
    server,
    writer: (offset: number | undefined) => new StdinWriter(server.client, sandboxId, processId, offset),
    text: () => log.toString(),
    length: () => log.length,
    isClosed: () => isClosed,
  };
}

test("writes are sent in order by drain, and not before", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  writer.write("héllo ");
  writer.write(new Uint8Array([0x77, 0x0a]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(stdin.server.received.length, 0);
  await writer.drain();
  assert.equal(stdin.text(), "héllo w\n");
  assert.equal(stdin.server.received.length, 1, "one request for all that was written");
  assert.equal(stdin.isClosed(), false);
});

test("a write whose answer is lost is repeated at its offset and not doubled", async (t) => {
  const stdin = await stdinServer(t, [drop, drop]);
  const writer = stdin.writer(0);
  writer.write("once");
  await writer.drain();
  writer.write(" and again");
  await writer.drain();
  assert.equal(stdin.text(), "once and again");
  assert.deepEqual(
    stdin.server.received.map(({ query }) => query.get("offset")),
    ["0", "0", "0", "4"],
  );
});

test("what the server did not take is sent again until it has all of it", async (t) => {
  const stdin = await stdinServer(t, [], 7);
  const writer = stdin.writer(0);
  const text = "0123456789".repeat(5);
  for (const letter of text) writer.write(letter);
  writer.writeEof();
  await writer.drain();
  assert.equal(stdin.text(), text);
  assert.equal(stdin.isClosed(), true);
});

test("writeEof closes stdin after the last byte, once", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  writer.write("end");
  writer.writeEof();
  await writer.drain();
  await writer.drain();
  assert.equal(stdin.text(), "end");
  assert.equal(stdin.isClosed(), true);
  assert.equal(stdin.server.received.length, 1);
  assert.throws(() => writer.write("more"), InvalidError);
});

test("an end of file without a byte is sent too", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  writer.writeEof();
  await writer.drain();
  assert.equal(stdin.isClosed(), true);
});

test("much data goes in parts of bounded size", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  writer.write("a".repeat(700_000));
  await writer.drain();
  assert.equal(stdin.length(), 700_000);
  assert.ok(stdin.server.received.every(({ body }) => body.length <= 256 * 1024));
});

test("a handle to a process of another program writes after what is there", async (t) => {
  const stdin = await stdinServer(t);
  const first = stdin.writer(0);
  first.write("first ");
  await first.drain();
  const second = stdin.writer(undefined);
  second.write("second");
  await second.drain();
  assert.equal(stdin.text(), "first second");
});

test("writing while somebody else has written is a ConflictError and not a silent loss", async (t) => {
  const stdin = await stdinServer(t);
  const [first, second] = [stdin.writer(0), stdin.writer(0)];
  first.write("a longer text");
  await first.drain();
  second.write("short");
  await assert.rejects(second.drain(), ConflictError);
});

test("drains at the same time keep the order", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  const drains = ["a", "b", "c", "d"].map((letter) => {
    writer.write(letter);
    return writer.drain();
  });
  await Promise.all(drains);
  assert.equal(stdin.text(), "abcd");
});

test("bytes are those at the time of the write", async (t) => {
  const stdin = await stdinServer(t);
  const writer = stdin.writer(0);
  const bytes = new Uint8Array([0x61]);
  writer.write(bytes);
  bytes[0] = 0x62;
  await writer.drain();
  assert.equal(stdin.text(), "a");
});

test("more than 16 MiB without a drain is an InvalidError", async (t) => {
  const writer = (await stdinServer(t)).writer(0);
  writer.write(new Uint8Array(16 * 2 ** 20));
  assert.throws(
    () => writer.write("x"),
    (error) => error instanceof InvalidError && error.code === "stdin_full",
  );
});

test("a drain ends when its signal is aborted, and a later one sends the rest", async (t) => {
  const controller = new AbortController();
  const stdin = await stdinServer(t, [() => controller.abort()]);
  const writer = stdin.writer(0);
  writer.write("patience");
  await assert.rejects(writer.drain({ signal: controller.signal }));
  await writer.drain();
  assert.equal(stdin.text(), "patience");
});
