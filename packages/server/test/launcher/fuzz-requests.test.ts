import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  attachFrame,
  claimFrame,
  forgetFrame,
  killFrame,
  mountFrame,
  type Spawn,
  spawnFrame,
  unmountFrame,
  watchFrame,
} from "../../src/launcher/frames.ts";
import { Random } from "../init/random.ts";
import { buildDecoder } from "./programs.ts";

const random = new Random(0xc1a1);
const directory = mkdtempSync(join(tmpdir(), "atoll-launcher-fuzz-"));
let decoder = "";

before(() => {
  decoder = buildDecoder(directory);
});
after(() => rmSync(directory, { recursive: true, force: true }));

function text(): string {
  return random.pick(["", "/", "a", "/proc/self/../..", "ä€𝄞", "x".repeat(random.below(300))]);
}

function texts(): string[] {
  return Array.from({ length: random.below(6) }, text);
}

function number(): number {
  return random.pick([0, 1, 2, 4096, 0x7fffffff, 0xffffffff]);
}

function spawn(): Spawn {
  return {
    argv: ["program", ...texts()],
    env: Object.fromEntries(texts().map((name) => [name, text()])),
    cwd: text(),
    cgroups: texts(),
    stdin: text(),
    inHostNetwork: random.below(2) === 0,
    hideProcSysNet: random.below(2) === 0,
    isWatched: random.below(2) === 0,
  };
}

function mount(): Buffer {
  const flag = random.below(2) === 0;
  const where = { mountNamespacePid: number(), root: text(), path: text() };
  if (flag) return unmountFrame(number(), { ...where, number: number(), isLazy: random.below(2) === 0 });
  return mountFrame(number(), {
    ...where,
    userNamespacePid: number(),
    rootId: number(),
    layers: texts(),
    writable: text(),
    place: text(),
    source: text(),
    subPath: text(),
    isReadOnly: flag,
  });
}

function claim(): Buffer {
  const flag = () => random.below(2) === 0;
  const bind = () => ({ source: text(), destination: text(), isReadOnly: flag(), isFile: flag(), isDevice: flag() });
  return claimFrame(number(), {
    mountNamespacePid: number(),
    userNamespacePid: number(),
    rootId: number(),
    layers: texts(),
    writable: text(),
    target: text(),
    moves: texts(),
    closed: texts(),
    hasSysfs: flag(),
    binds: Array.from({ length: random.below(5) }, bind),
    pivot: flag(),
  });
}

function validFrame(): Buffer {
  const id = { pid: number(), startTime: number() };
  switch (random.below(8)) {
    case 0:
      return attachFrame();
    case 1:
      return watchFrame(number(), number());
    case 2:
      return forgetFrame(id);
    case 3:
      return killFrame(number(), id, random.below(256));
    case 4:
    case 5:
      return spawnFrame(number(), spawn());
    case 6:
      return mount();
    default:
      return claim();
  }
}

function prefixed(stream: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(stream.length);
  return Buffer.concat([length, stream]);
}

/** Streams and accepted requests, as the sanitized decoder counted them. A finding of the sanitizer is a failed exit. */
function decode(streams: readonly Buffer[]): [number, number] {
  const input = Buffer.concat(streams.map(prefixed));
  const [count = 0, accepted = 0] = execFileSync(decoder, { input }).toString().split(" ").map(Number);
  return [count, accepted];
}

test("the launcher's decoder accepts every request that the client can make", () => {
  const streams = Array.from({ length: 300 }, () =>
    Buffer.concat(Array.from({ length: 1 + random.below(5) }, validFrame)),
  );
  const frames = streams.reduce((total, stream) => total + frameCount(stream), 0);
  assert.deepEqual(decode(streams), [streams.length, frames]);
});

function frameCount(stream: Buffer): number {
  let count = 0;
  for (let at = 0; at < stream.length; at += 4 + stream.readUInt32LE(at)) count++;
  return count;
}

test("the launcher's decoder survives damaged requests and noise", () => {
  const damaged = Array.from({ length: 6000 }, () => {
    let frame = validFrame();
    for (let times = 1 + random.below(4); times > 0 && frame.length > 0; times--) frame = random.mutated(frame);
    return frame;
  });
  const noise = Array.from({ length: 500 }, () => random.bytes(random.below(400)));
  const [count, accepted] = decode([...damaged, ...noise]);
  assert.equal(count, damaged.length + noise.length);
  assert.ok(accepted < count);
});

test("the launcher's decoder accepts no request with a byte less or more", () => {
  const whole = Array.from({ length: 60 }, validFrame);
  const relabelled = (body: Buffer) => {
    const copy = Buffer.from(body);
    copy.writeUInt32LE(copy.length - 4);
    return copy;
  };
  const shorter = whole.map((frame) => relabelled(frame.subarray(0, frame.length - 1)));
  const longer = whole.map((frame) => relabelled(Buffer.concat([frame, Buffer.from([0])])));
  assert.deepEqual(decode([...shorter, ...longer]), [120, 0]);
});
