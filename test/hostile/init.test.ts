/**
 * An init that was taken over. Root inside a sandbox connects to the daemon in init's place, through the real socket, and says what init
 * would not. The daemon drops that sandbox, says why, and goes on.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Sandbox } from "@atoll/sdk";
import { daemonPid, eachIsolation, newSandbox, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Frames as native/PROTOCOL.md has them; `say` sends all at once, before the real init is back. */
const prelude = `
import socket, struct, time
def frame(kind, *parts): body = bytes([kind]) + b"".join(parts); return struct.pack("<I", len(body)) + body
u8, u32, u64 = (lambda n: struct.pack("<B", n)), (lambda n: struct.pack("<I", n)), (lambda n: struct.pack("<Q", n))
hello = frame(0x81, u32(1), u32(0))
def connect():
    while True:
        s = socket.socket(socket.AF_UNIX)
        try: s.connect("/.atoll/control.sock"); return s
        except OSError: time.sleep(0.05)
def say(data):
    for _ in range(10):
        s = connect()
        try:
            s.sendall(data)
            while s.recv(65536): pass
        except OSError: pass
        time.sleep(0.3)
`;

const violations: readonly (readonly [what: string, program: string])[] = [
  ["an empty frame", "say(u32(0))"],
  ["an oversized frame", "say(u32(0xffffffff) + b'x')"],
  ["an unknown kind of frame", "say(hello + frame(0xee))"],
  ["another version", "say(frame(0x81, u32(999), u32(0)))"],
  ["a list longer than its frame", "say(frame(0x81, u32(1), u32(0xffffffff)))"],
  ["HELLO twice", "say(hello + hello)"],
  ["output before HELLO", "say(frame(0x86, u32(1), u8(1), u64(0), b'x'))"],
  ["output of a process that never was", "say(hello + frame(0x86, u32(77), u8(1), u64(0), b'x'))"],
  ["an exit of a process that never was", "say(hello + frame(0x89, u32(77), u32(0)))"],
  ["an offset beyond all counting", "say(hello + frame(0x86, u32(1), u8(1), u64(2**64 - 1), b'x'))"],
  ["a stream that does not exist", "say(hello + frame(0x86, u32(1), u8(9), u64(0), b'x'))"],
  ["an answer that nobody asked for", "say(hello + frame(0x8b, u32(1)))"],
  ["a payload that is too short", "say(hello + frame(0x86, u8(1)))"],
  ["a payload that is too long", "say(hello + frame(0x8b, u32(1), b'more'))"],
  ["connections without end", "while True: connect().close()"],
  ["frames without end", "while True: say(hello + frame(0x8b, u32(1)) * 100000)"],
];

const growthLimitKb = 150_000;

eachIsolation((isolation) => {
  const bystander = sharedSandbox({ isolation });

  for (const [what, program] of violations)
    test(`${what} ends that sandbox and no other`, async () => {
      await using sandbox = await newSandbox({ isolation });
      const attack = await sandbox.exec("python3", "-c", prelude + program);
      const result = await sandbox.wait({ timeoutMs: 30_000 });
      assert.equal(result.kind, "lost");
      assert.match(result.message ?? "", /broke the protocol/);
      await attack.wait({ raiseOnTermination: false });
      await assertResponsive(bystander());
    });

  test("a connection that says nothing leaves the sandbox as it is", async () => {
    await using sandbox = await newSandbox({ isolation });
    await sandbox.exec("python3", "-c", `${prelude}\ns = connect(); time.sleep(1000)`);
    await assertResponsive(sandbox);
  });

  test("half a frame after another, and floods of whole ones, do not grow the daemon", async () => {
    const earlier = residentKb();
    for (const program of [
      "say(u32(131072) + b'x' * 131071)",
      "say(frame(0x81, u32(1), u32(32000), u32(5) * 32000) * 50)",
      "for _ in range(40): s = connect(); s.sendall(u32(131072) + b'x' * 100000)",
    ]) {
      await using sandbox = await newSandbox({ isolation });
      const attack = await sandbox.exec("python3", "-c", prelude + program, { timeoutMs: 8000 });
      await attack.wait({ raiseOnTermination: false }).catch(() => undefined);
      await assertResponsive(bystander());
    }
    const grown = residentKb() - earlier;
    assert.ok(grown < growthLimitKb, `the daemon has grown by ${grown} KiB`);
  });
});

async function assertResponsive(sandbox: Sandbox): Promise<void> {
  assert.equal((await shell(sandbox, "echo here")).stdout, "here\n");
}

function residentKb(): number {
  const status = readFileSync(`/proc/${daemonPid()}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}
