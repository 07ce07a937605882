import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AtollError, type ClientOptions, InvalidError, NotFoundError, OutputReader } from "../src/index.ts";
import {
  type Answer,
  brokenOutput,
  failWith,
  fakeServer,
  inTurn,
  output,
  processId,
  sandboxId,
} from "./fake-server.ts";

/** In Node the SDK does not use `fetch`, elsewhere it does. */
const transports: readonly ClientOptions[] = [{}, { fetch }];

async function reader(t: TestContext, readOutput: Answer, options: ClientOptions = {}) {
  const server = await fakeServer(t, { readOutput });
  const client = server.clientWith(options);
  const offsets = () => server.received.map(({ query }) => Number(query.get("offset") ?? 0));
  return { server, offsets, stdout: new OutputReader({ client, sandboxId, processId, stream: "stdout" }) };
}

const poem = "first\nzweite Zeile mit Ümläuten\n三行目\n\nlast without end 🌊";

test("output is iterated by line without line ends, the last unterminated line included", async (t) => {
  const { stdout } = await reader(t, output(poem));
  assert.deepEqual(await Array.fromAsync(stdout), [
    "first",
    "zweite Zeile mit Ümläuten",
    "三行目",
    "",
    "last without end 🌊",
  ]);
});

test("a carriage return before the newline belongs to the line end, and one elsewhere does not", async (t) => {
  const { stdout } = await reader(t, output("a\r\nb\rc\r\n\r\nd\n"));
  assert.deepEqual(await Array.fromAsync(stdout), ["a", "b\rc", "", "d"]);
});

for (const transport of transports) {
  const name = transport.fetch ? "fetch" : "the runtime's own client";
  test(`a broken connection is continued at its byte, also within a character, with nothing lost or doubled, by ${name}`, async (t) => {
    const log = poem.repeat(40);
    const broken = brokenOutput(log, [3, 1, 17, 2, 1, 1, 40]);
    const { stdout, offsets } = await reader(t, inTurn(broken, broken, broken, output(log)), transport);
    assert.equal(await stdout.read(), log);
    assert.equal(offsets().length, 4);
    assert.ok(offsets().every((offset, index) => index === 0 || offset > (offsets()[index - 1] ?? 0)));
  });
}

test("lines arrive whole across broken connections", async (t) => {
  const broken = brokenOutput(poem, [2, 2, 11, 1]);
  const { stdout } = await reader(t, inTurn(broken, broken, output(poem)));
  assert.deepEqual(await Array.fromAsync(stdout), poem.split("\n"));
});

test("read after some lines gives what is left", async (t) => {
  const { stdout } = await reader(t, output(poem));
  const lines: string[] = [];
  for await (const line of stdout) if (lines.push(line) === 2) break;
  assert.deepEqual(lines, ["first", "zweite Zeile mit Ümläuten"]);
  assert.equal(await stdout.read(), "三行目\n\nlast without end 🌊");
  assert.equal(await stdout.read(), "");
  assert.deepEqual(await Array.fromAsync(stdout), []);
});

test("the offset counts the bytes handed out, and another reader continues there", async (t) => {
  const { stdout } = await reader(t, output(`caf\xc3\n${poem}`));
  assert.equal(stdout.offset, 0);
  for await (const _line of stdout) break;
  assert.equal(stdout.offset, Buffer.byteLength("caf\xc3\n"));
  assert.equal(await stdout.from(stdout.offset).read(), poem);
  assert.equal(await stdout.read(), poem, "the first reader has its own place");
  assert.equal(stdout.offset, Buffer.byteLength(`caf\xc3\n${poem}`));
});

test("the offset is right after lines of invalid UTF-8 and of carriage returns", async (t) => {
  const log = Buffer.from([0xff, 0xfe, 0x0d, 0x0a, 0xe2, 0x82, 0x0a, 0x61, 0x0a]);
  const { stdout } = await reader(t, output(log));
  const seen: [string, number][] = [];
  for await (const line of stdout) seen.push([line, stdout.offset]);
  assert.deepEqual(seen, [
    ["\ufffd\ufffd", 4],
    ["\ufffd", 7],
    ["a", 9],
  ]);
});

test("invalid UTF-8 becomes replacement characters in text and stays as it is in bytes", async (t) => {
  const log = Buffer.from([0x61, 0xff, 0xe2, 0x82, 0x62, 0xf0, 0x9f]);
  const { stdout } = await reader(t, output(log));
  assert.deepEqual(Buffer.from(await stdout.from(0).bytes()), log);
  assert.equal(await stdout.text(), "a\ufffd\ufffdb\ufffd");
});

test("a byte order mark is kept", async (t) => {
  const { stdout } = await reader(t, output("\ufeffx\n\ufeffy"));
  assert.deepEqual(await Array.fromAsync(stdout), ["\ufeffx", "\ufeffy"]);
  assert.equal(await stdout.from(0).read(), "\ufeffx\n\ufeffy");
});

test("a web stream gives the bytes that are left", async (t) => {
  const { stdout } = await reader(t, inTurn(brokenOutput(poem, [9]), output(poem)));
  for await (const _line of stdout) break;
  const rest = await new Response(stdout.toReadableStream()).text();
  assert.equal(rest, poem.slice("first\n".length));
});

test("a read that is aborted loses nothing", async (t) => {
  const stuck: Answer = ({ response }) => {
    response.writeHead(200);
    response.write("one\ntwo");
  };
  const { stdout } = await reader(t, inTurn(stuck, output("one\ntwo\nthree\n")));
  await assert.rejects(stdout.read({ signal: AbortSignal.timeout(50) }), AtollError);
  assert.equal(stdout.offset, 0);
  assert.deepEqual(await Array.fromAsync(stdout), ["one", "two", "three"]);
});

test("iterating with a signal ends when it is aborted", async (t) => {
  const stuck: Answer = ({ response }) => {
    response.writeHead(200);
    response.write("one\ntwo\npart");
  };
  const { stdout } = await reader(t, stuck);
  const lines: string[] = [];
  const leaving = new AbortController();
  await assert.rejects(async () => {
    for await (const line of stdout.lines({ signal: leaving.signal })) if (lines.push(line) === 2) leaving.abort();
  }, AtollError);
  assert.deepEqual(lines, ["one", "two"]);
  assert.equal(stdout.offset, 8);
});

test("leaving a loop lets go of the connection", async (t) => {
  const closed = Promise.withResolvers<void>();
  const endless: Answer = ({ response }) => {
    response.writeHead(200);
    response.write("one\ntwo\n");
    response.on("close", closed.resolve);
  };
  const { stdout } = await reader(t, endless);
  for await (const _line of stdout) break;
  await closed.promise;
});

test("more output than maxBytes is an InvalidError, and the output can still be read otherwise", async (t) => {
  const { stdout } = await reader(t, output("x".repeat(1000)));
  await assert.rejects(stdout.bytes({ maxBytes: 999 }), (error) => {
    assert.ok(error instanceof InvalidError);
    assert.equal(error.code, "output_too_large");
    return true;
  });
  assert.equal((await stdout.bytes({ maxBytes: 1000 })).length, 1000);
});

test("a line of more than 16 MiB is an InvalidError and not endless memory", async (t) => {
  const { stdout } = await reader(t, output(Buffer.alloc(17 * 2 ** 20, "x")));
  const error = await Array.fromAsync(stdout).catch((thrown) => thrown);
  assert.ok(error instanceof InvalidError);
  assert.equal(error.code, "line_too_long");
  assert.equal((await stdout.bytes()).length, 17 * 2 ** 20);
});

test("two reads at the same time are an InvalidError instead of a mixture", async (t) => {
  const { stdout } = await reader(t, output("text"));
  const first = stdout.read();
  await assert.rejects(stdout.read(), InvalidError);
  assert.equal(await first, "text");
});

test("a refusal is thrown as it is and not tried again", async (t) => {
  const { stdout, server } = await reader(t, failWith("not_found", 404));
  await assert.rejects(stdout.read(), NotFoundError);
  assert.equal(server.received.length, 1);
});

test("a connection that keeps breaking without a byte is given up after the client's patience", async (t) => {
  const { stdout } = await reader(t, brokenOutput("", []), { retryForMs: 100 });
  await assert.rejects(stdout.read(), (error) => error instanceof AtollError && error.code === "connection_failed");
});

test("nothing is requested before the first read", async (t) => {
  const { stdout, server } = await reader(t, output("x"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(server.received.length, 0);
  assert.equal(await stdout.read(), "x");
});
