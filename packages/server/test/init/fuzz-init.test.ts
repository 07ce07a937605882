import assert from "node:assert/strict";
import { on } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { frameFor } from "../../src/init/messages.ts";
import { builds, Guest, soon } from "./guest.ts";
import { Random } from "./random.ts";

const random = new Random(0x5eed);

function start(): Buffer {
  return frameFor.start({
    process: random.below(12),
    argv: random.pick([[], [""], ["true"], ["cat"], ["nope"], ["sh", "-c", "head -c 9000 /dev/zero"]]),
    env: random.pick([[], ["PATH=/bin:/usr/bin"], ["=", "", "PATH"], ["A=1", "HOME=/x"]]),
    user: random.pick(["", "root", "nobody", "1:2", ":", "0:", "99999999999"]),
    cwd: random.pick(["", "/", "/missing"]),
    pty: random.pick([undefined, { rows: 0, cols: 65535 }]),
    stdin: random.below(2) === 0,
    openFilesLimit: random.pick([0, 3, 64, 0xffffffff]),
  });
}

/** Any valid frame but KILL_ALL and SETUP into a root, whose effects are tested elsewhere. */
function validFrame(): Buffer {
  const process = random.below(12);
  const offset = random.pick([0, 1, 5, 4096, 2 ** 40, Number.MAX_SAFE_INTEGER]);
  const request = random.below(2 ** 32);
  switch (random.below(12)) {
    case 0:
      return frameFor.setup(request, "", "", 0);
    case 1:
    case 2:
      return start();
    case 3:
      return frameFor.stdin(process, offset, random.bytes(random.below(3000)));
    case 4:
      return frameFor.stdinEof(process, offset);
    case 5:
      return frameFor.ack(process, random.pick([1, 2]), offset);
    case 6:
      return frameFor.release(process);
    case 7:
      return frameFor.signal(process, random.pick([0, 1, 9, 15, 64, 255]));
    case 8:
      return frameFor.resize(process, random.below(65536), random.below(65536));
    case 9:
      return frameFor.probe(request, 1 + random.below(65535));
    case 10:
      return frameFor.ping(request);
    default:
      return frameFor.resume([{ process, stdout: offset, stderr: offset }]);
  }
}

/** A conversation: usually a proper beginning, then anything, often damaged at the end. */
function conversation(): Buffer {
  const frames = random.below(8) === 0 ? [] : [frameFor.resume([])];
  for (let count = random.below(30); count > 0; count--) frames.push(validFrame());
  if (random.below(3) > 0) frames.push(random.mutated(validFrame()));
  if (random.below(10) === 0) frames.push(random.bytes(random.below(2000)));
  return Buffer.concat(frames);
}

/** Sends in pieces of any size, and hangs up. */
async function converse(socket: Socket): Promise<void> {
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => socket.destroy());
  socket.resume();
  let rest = conversation();
  while (rest.length > 0 && !socket.destroyed) {
    const size = 1 + random.below(random.pick([3, 100, 100_000]));
    socket.write(rest.subarray(0, size));
    rest = rest.subarray(size);
    if (random.below(4) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  socket.setTimeout(20, () => socket.destroy());
  await closed;
}

for (const build of builds().filter(({ name }) => name === "sanitized")) {
  test("two hundred conversations of random and mutated frames leave init sound and working", async () => {
    await using guest = await Guest.start(build);
    const descriptors = guest.descriptors();
    await guest.stopListening();
    const path = join(guest.directory, "control.sock");
    const server = createServer();
    server.listen(path);
    try {
      const connections = on(server, "connection", {
        signal: AbortSignal.any([guest.ended, AbortSignal.timeout(120_000)]),
      });
      for (let round = 0; round < 200; round++) {
        const { value } = await connections.next();
        await converse(value?.[0]);
      }
    } finally {
      server.close();
    }
    rmSync(path, { force: true });
    await guest.listen();
    await guest.link.whenConnected(soon());
    const result = await guest.run(1_000_000, ["echo", "sound"]);
    assert.deepEqual(result, { status: 0, stdout: "sound\n", stderr: "" });
    guest.link.release(1_000_000);
    await guest.link.ping(soon());
    assert.equal(guest.descriptors(), descriptors);
  });
}
