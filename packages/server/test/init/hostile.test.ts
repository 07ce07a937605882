import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FrameDecoder, FrameWriter, ProtocolError } from "../../src/init/frames.ts";
import { InitLink } from "../../src/init/link.ts";
import { fromInitLimit, messageOf, outputLimit, outputWindow } from "../../src/init/messages.ts";
import { soon } from "./guest.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";

const frame = (type: number, fill: (writer: FrameWriter) => FrameWriter): Buffer =>
  fill(new FrameWriter()).frame(type, 0xffffffff);
const hello = frame(0x81, (w) => w.u32(1).u32(0));
const started = (process: number) => frame(0x83, (w) => w.u32(process).u32(100));
const output = (process: number, stream: number, offset: number, count: number) =>
  frame(0x86, (w) => w.u32(process).u8(stream).offset(offset).bytes(Buffer.alloc(count)));
const eof = (process: number, offset: number) => frame(0x87, (w) => w.u32(process).u8(1).offset(offset));
const exited = (process: number) => frame(0x89, (w) => w.u32(process).u32(0));
const stdinAck = (process: number, offset: number, closed = 0) =>
  frame(0x85, (w) => w.u32(process).offset(offset).u8(closed));
const pong = (request: number) => frame(0x8b, (w) => w.u32(request));

/** A daemon's link on which process 1 was asked for, and a hostile init that may connect. */
class Stage implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "atoll-link-test-"));
  readonly record = new Recorder();
  static async open(): Promise<Stage & { link: InitLink }> {
    const stage = new Stage();
    const link = await InitLink.listen(join(stage.directory, "control.sock"), stage.record);
    stage.record.link = link;
    link.start({ process: 1, argv: ["x"], env: [], user: "", cwd: "", stdin: true, openFilesLimit: 0 });
    link.writeStdin(1, 0, Buffer.from("four"));
    return Object.assign(stage, { link });
  }

  async connect(): Promise<Socket> {
    const socket = connect(join(this.directory, "control.sock"));
    socket.on("error", () => socket.destroy());
    socket.resume();
    await once(socket, "connect");
    return socket;
  }

  async violation(): Promise<ProtocolError | undefined> {
    await this.record.until(() => this.record.violation !== undefined, soon());
    return this.record.violation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.record.link?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Unlike once(), does not mind an error before the end. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

const violations: [string, Buffer[]][] = [
  ["a frame before HELLO", [started(1)]],
  ["HELLO twice", [hello, hello]],
  ["HELLO of another version", [frame(0x81, (w) => w.u32(2).u32(0))]],
  ["HELLO with a list that is longer than the frame", [frame(0x81, (w) => w.u32(1).u32(0x7fffffff))]],
  ["an empty frame", [hello, Buffer.alloc(4)]],
  ["a frame above the limit", [hello, Buffer.from([1, 0, 2, 0, 0x86])]],
  ["a length of four gigabytes", [Buffer.from([255, 255, 255, 255])]],
  ["an unknown type", [hello, frame(0x01, (w) => w)]],
  ["the daemon's own type", [hello, frame(0x0c, (w) => w.u32(1))]],
  ["a payload that is too short", [hello, frame(0x83, (w) => w.u32(1))]],
  ["a payload that is too long", [hello, frame(0x83, (w) => w.u32(1).u32(1).u8(0))]],
  ["STARTED of an unknown process", [hello, started(2)]],
  ["STARTED twice", [hello, started(1), started(1)]],
  ["output before STARTED", [hello, output(1, 1, 0, 1)]],
  ["output with a gap", [hello, started(1), output(1, 1, 1, 1)]],
  ["output again", [hello, started(1), output(1, 1, 0, 5), output(1, 1, 0, 5)]],
  ["output of stdin", [hello, started(1), output(1, 0, 0, 1)]],
  ["empty output", [hello, started(1), output(1, 1, 0, 0)]],
  ["more than 64 KiB of output at once", [hello, started(1), output(1, 1, 0, 65537)]],
  ["output behind its end", [hello, started(1), eof(1, 0), output(1, 1, 0, 1)]],
  ["an end that is not where the output ends", [hello, started(1), eof(1, 7)]],
  ["an end twice", [hello, started(1), eof(1, 0), eof(1, 0)]],
  ["an exit twice", [hello, started(1), exited(1), exited(1)]],
  ["an exit of what failed to start", [hello, frame(0x84, (w) => w.u32(1).u32(2).text("exec")), exited(1)]],
  ["a failure without an errno", [hello, frame(0x84, (w) => w.u32(1).u32(0).text("exec"))]],
  ["a failure in an invented step", [hello, frame(0x84, (w) => w.u32(1).u32(2).text("\u001b[2J"))]],
  ["UNKNOWN of a process that was just asked for", [hello, frame(0x88, (w) => w.u32(1))]],
  ["an acknowledgement of stdin that was never sent", [hello, started(1), stdinAck(1, 5)]],
  ["an acknowledgement without progress", [hello, started(1), stdinAck(1, 2), stdinAck(1, 2), stdinAck(1, 2)]],
  ["an acknowledgement that goes back", [hello, started(1), stdinAck(1, 2), stdinAck(1, 1)]],
  ["an offset beyond 2^53", [hello, started(1), frame(0x87, (w) => w.u32(1).u8(1).u32(0).u32(0x00200000))]],
  ["PONG that nobody asked for", [hello, pong(9)]],
  ["SETUP_DONE that nobody asked for", [hello, frame(0x82, (w) => w.u32(1).u32(0).text(""))]],
];

for (const [title, frames] of violations) {
  test(`${title} is a violation that ends the link for good`, async () => {
    await using stage = await Stage.open();
    const socket = await stage.connect();
    const closed = closing(socket);
    socket.write(Buffer.concat(frames));
    assert((await stage.violation()) instanceof ProtocolError);
    await closed;
    await assert.rejects(stage.link.whenConnected(soon()), ProtocolError);
    await assert.rejects(stage.link.ping(soon()), ProtocolError);
    const again = connect(join(stage.directory, "control.sock"));
    const [refusal] = await once(again, "error").catch((error: unknown) => [error]);
    assert(refusal instanceof Error);
  });
}

test("frames that are due are reported and are no violation", async () => {
  await using stage = await Stage.open();
  const socket = await stage.connect();
  socket.write(Buffer.concat([hello, started(1), stdinAck(1, 4), output(1, 1, 0, 65536), output(1, 2, 0, 1)]));
  socket.write(Buffer.concat([eof(1, 65536), exited(1)]));
  await stage.record.until(() => stage.record.of(1).status === 0, soon());
  assert.equal(stage.record.of(1).streams[1].endedAt, 65536);
  assert.equal(stage.record.violation, undefined);
});

test("output beyond the window that nobody acknowledged is a violation", async () => {
  await using stage = await Stage.open();
  stage.record.acknowledges = false;
  const socket = await stage.connect();
  socket.write(Buffer.concat([hello, started(1)]));
  const parts = outputWindow / outputLimit;
  for (let part = 0; part <= parts; part++) socket.write(output(1, 1, part * outputLimit, outputLimit));
  await stage.violation();
  assert.equal(stage.record.of(1).streams[1].length, outputWindow);
});

test("an endless stream of any valid frame ends in a violation", async () => {
  const endless = [started(1), stdinAck(1, 4), eof(1, 0), exited(1), pong(1), output(1, 1, 0, 1), hello];
  for (const each of endless) {
    await using stage = await Stage.open();
    const socket = await stage.connect();
    socket.write(hello);
    if (!each.equals(started(1))) socket.write(started(1));
    for (let count = 0; count < 1000 && !socket.destroyed; count++) socket.write(each);
    await stage.violation();
  }
});

test("messages of a released process are checked and not reported", async () => {
  await using stage = await Stage.open();
  const socket = await stage.connect();
  socket.write(Buffer.concat([hello, started(1)]));
  await stage.record.until(() => stage.record.of(1).pid !== undefined, soon());
  stage.link.release(1);
  socket.write(output(1, 1, 0, 10));
  socket.write(output(1, 1, 0, 10));
  await stage.violation();
  assert.equal(stage.record.of(1).streams[1].length, 0);
});

test("the newest connection wins, and what the older one still says is not heard", async () => {
  await using stage = await Stage.open();
  const older = await stage.connect();
  older.write(hello);
  await stage.link.whenConnected(soon());
  const closed = closing(older);
  const newer = await stage.connect();
  older.write(exited(1));
  newer.write(Buffer.concat([hello, started(1)]));
  await Promise.all([closed, stage.record.until(() => stage.record.of(1).pid === 100, soon())]);
  assert.equal(stage.record.violation, undefined);
  assert.equal(stage.record.greetings.length, 2);
});

test("an init that connects again and again is a violation", async () => {
  await using stage = await Stage.open();
  for (let count = 0; count < 200 && stage.record.violation === undefined; count++) {
    const socket = connect(join(stage.directory, "control.sock"));
    await Promise.race([once(socket, "connect"), once(socket, "error")]).catch(() => undefined);
  }
  assert.match((await stage.violation())?.message ?? "", /so many connections/);
});

test("an init that does not read is a violation before it fills the daemon's memory", async () => {
  await using stage = await Stage.open();
  const socket = await stage.connect();
  socket.pause();
  socket.write(hello);
  await stage.link.whenConnected(soon());
  const env = [`A=${"x".repeat(1_000_000)}`];
  for (let process = 2; process < 40 && stage.record.violation === undefined; process++) {
    stage.link.start({ process, argv: ["x"], env, user: "", cwd: "", stdin: false, openFilesLimit: 0 });
  }
  assert.match((await stage.violation())?.message ?? "", /does not read/);
});

test("values that no frame can hold are refused by the daemon's own side", async () => {
  await using stage = await Stage.open();
  const request = { argv: ["x"], env: [], user: "", cwd: "", stdin: true, openFilesLimit: 0 };
  assert.throws(() => stage.link.start({ ...request, process: 1 }), RangeError);
  assert.throws(() => stage.link.start({ ...request, process: 2, env: ["x".repeat(1 << 20)] }), RangeError);
  assert.throws(() => stage.link.start({ ...request, process: 2 ** 32 }), RangeError);
  assert.throws(() => stage.link.writeStdin(1, 5, Buffer.from("gap")), RangeError);
  assert.throws(() => stage.link.writeStdin(1, 4, Buffer.alloc(65536)), RangeError);
  assert.throws(() => stage.link.closeStdin(1, 3), RangeError);
  assert.throws(() => stage.link.ack(1, 1, 1), RangeError);
  await assert.rejects(stage.link.probe(65536, soon()), RangeError);
  await assert.rejects(InitLink.listen(`/tmp/${"x".repeat(108)}`, stage.record), RangeError);
});

test("frames are cut alike from chunks of any size", () => {
  const frames = [hello, started(1), output(1, 1, 0, 60_000), exited(1), pong(3)];
  const stream = Buffer.concat(frames);
  for (const size of [1, 2, 3, 5, 7, 1000, 65_536, stream.length]) {
    const decoder = new FrameDecoder(fromInitLimit);
    const seen: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const { type, payload } of decoder.decode(stream.subarray(at, at + size))) {
        seen.push(frame(type, (w) => w.bytes(payload)));
      }
    }
    assert.deepEqual(Buffer.concat(seen), stream, `chunks of ${size}`);
  }
});

test("fifty thousand random and mutated frames are decoded or refused as violations, and nothing else happens", () => {
  const random = new Random(0xa70c);
  const valid = [hello, started(1), output(1, 1, 0, 50), eof(1, 3), exited(1), stdinAck(1, 2), pong(4)];
  const seen = { decoded: 0, refused: 0 };
  for (let round = 0; round < 50_000; round++) {
    const decoder = new FrameDecoder(fromInitLimit);
    const bytes = random.below(4) === 0 ? random.bytes(1 + random.below(60)) : random.mutated(random.pick(valid));
    try {
      for (const each of decoder.decode(bytes)) {
        messageOf(each);
        seen.decoded++;
      }
    } catch (error) {
      assert(error instanceof ProtocolError, `${error}`);
      seen.refused++;
    }
  }
  assert(seen.decoded > 5_000 && seen.refused > 5_000, JSON.stringify(seen));
});

test("random conversations never crash the daemon and leave no link that listens after a violation", async () => {
  const random = new Random(0xbeef);
  const valid = [started(1), output(1, 1, 0, 50), eof(1, 50), exited(1), stdinAck(1, 4), pong(1)];
  let violated = 0;
  for (let round = 0; round < 150; round++) {
    await using stage = await Stage.open();
    const socket = await stage.connect();
    const closed = closing(socket);
    socket.write(hello);
    for (let count = 0; count < 20; count++) {
      socket.write(random.below(4) === 0 ? random.mutated(random.pick(valid)) : random.pick(valid));
    }
    socket.write(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0]));
    socket.end();
    await closed;
    if (stage.record.violation !== undefined) violated++;
  }
  assert(violated > 140, `${violated} of 150`);
});
