import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { FrameDecoder } from "../../src/init/frames.ts";
import { type FromInit, frameFor, fromInitLimit, messageOf } from "../../src/init/messages.ts";
import { builds, Guest, soon } from "./guest.ts";

const cat = { process: 1, argv: ["cat"], env: [], user: "", cwd: "/", stdin: true, openFilesLimit: 0 };

/** A daemon that sends frames as they are written in a test. */
class Daemon implements AsyncDisposable {
  readonly #server = createServer();
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Takes the place of the guest's link. */
  static async of(guest: Guest): Promise<Daemon> {
    await guest.stopListening();
    const daemon = new Daemon(join(guest.directory, "control.sock"));
    rmSync(daemon.#path, { force: true });
    daemon.#server.listen(daemon.#path);
    return daemon;
  }

  /** Sends all frames on the next connection, and gives what init said until the condition holds or it hung up. */
  async converse(frames: readonly Buffer[], isEnough: (said: FromInit) => boolean): Promise<FromInit[]> {
    const [socket] = (await once(this.#server, "connection", { signal: soon() })) as [Socket];
    const said: FromInit[] = [];
    const decoder = new FrameDecoder(fromInitLimit);
    socket.write(Buffer.concat(frames));
    for await (const chunk of socket) {
      for (const frame of decoder.decode(chunk as Buffer)) said.push(messageOf(frame));
      if (said.some(isEnough)) break;
    }
    return said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const outputOf = (said: readonly FromInit[]): string =>
  Buffer.concat(said.flatMap((item) => (item.kind === "output" ? [item.bytes] : []))).toString();

for (const build of builds()) {
  describe(`the protocol as init keeps it (${build.name})`, () => {
    test("stdin that overlaps is taken once, and stdin behind a gap is ignored", async () => {
      await using guest = await Guest.start(build);
      await using daemon = await Daemon.of(guest);
      const writes: [number, string][] = [
        [0, "Hello"],
        [3, "lo, wor"],
        [50, "gap"],
        [0, "Hello, world"],
        [2, "llo"],
      ];
      const stdin = writes.map(([offset, text]) => frameFor.stdin(1, offset, Buffer.from(text)));
      const frames = [frameFor.resume([]), frameFor.start(cat), ...stdin, frameFor.stdinEof(1, 12)];
      const said = await daemon.converse(frames, (item) => item.kind === "eof" && item.stream === 1);
      assert.equal(outputOf(said), "Hello, world");
    });

    test("a START that is repeated starts nothing twice, and an ACK of what was never sent forgets nothing", async () => {
      await using guest = await Guest.start(build);
      await using daemon = await Daemon.of(guest);
      const frames = [
        frameFor.resume([]),
        frameFor.start(cat),
        frameFor.start(cat),
        frameFor.ack(1, 1, 1000),
        frameFor.stdin(1, 0, Buffer.from("kept")),
        frameFor.stdinEof(1, 4),
      ];
      const said = await daemon.converse(frames, (item) => item.kind === "eof" && item.stream === 1);
      const pids = said.flatMap((item) => (item.kind === "started" ? [item.pid] : []));
      assert.equal(new Set(pids).size, 1);
      assert.equal(outputOf(said), "kept");
    });

    test("a daemon that breaks the protocol is hung up on, and init comes back", async () => {
      await using guest = await Guest.start(build);
      await using daemon = await Daemon.of(guest);
      const resume = frameFor.resume([]);
      const breaches = [
        [frameFor.ping(1)],
        [resume, resume],
        [resume, Buffer.from([1, 0, 0, 0, 0x7f])],
        [Buffer.alloc(4)],
      ];
      for (const frames of breaches) {
        const said = await daemon.converse(frames, (item) => item.kind === "pong");
        assert.deepEqual(said, [{ kind: "hello", version: 1, processes: [] }]);
      }
      const said = await daemon.converse([resume, frameFor.ping(7)], (item) => item.kind === "pong");
      assert.deepEqual(said.at(-1), { kind: "pong", request: 7 });
    });
  });
}
