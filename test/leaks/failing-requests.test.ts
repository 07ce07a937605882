import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Isolation, Sandbox, type SandboxCreateOptions } from "@atoll/sdk";
import { type Daemon, daemon, endOf } from "../support/daemon.ts";
import { quietSnapshot, settledDifference } from "./machine.ts";

/** What keeps a command from starting, and the exit code that says so. */
const cannotStart: readonly [string, readonly string[], SandboxCreateOptions, number][] = [
  ["a missing program", ["/no/such/program"], {}, 127],
  ["a program that is a directory", ["/tmp"], {}, 126],
  ["an unknown user", ["true"], { user: "nobody-of-that-name" }, 126],
  ["a missing working directory", ["true"], { workdir: "/no/such/directory" }, 126],
];

test("creations that fail, are abandoned or are cut short leave nothing behind, at both levels", async (t) => {
  const server = await daemon(t);
  for (const isolation of ["container", "gvisor"] as const) await endOf(await create(server, ["true"], { isolation }));
  const watched = server.watched;
  const before = await quietSnapshot(watched);
  for (const isolation of ["container", "gvisor"] as const) {
    for (const [what, argv, options, exitCode] of cannotStart) {
      const end = await endOf(await create(server, argv, { ...options, isolation }));
      assert.deepEqual([end.kind, end.exitCode], ["failed_to_start", exitCode], `${isolation}: ${what}`);
    }
    for (let afterMs = 0; afterMs < 150; afterMs += 10) await abandon(server, isolation, afterMs);
    for (let afterMs = 0; afterMs < 150; afterMs += 30) await terminateEarly(server, isolation, afterMs);
    assert.deepEqual(await settledDifference(before, watched), {}, isolation);
  }
  const left = await Array.fromAsync(Sandbox.list({ client: server.client }));
  assert.deepEqual(left, [], "nothing runs that nobody knows of");
  assert.deepEqual(await server.gc(), []);
});

function create(server: Daemon, argv: readonly string[], options: SandboxCreateOptions): Promise<Sandbox> {
  return Sandbox.create(argv, { client: server.client, ...options });
}

/** A client that goes away before it has its answer, and has no key to come back for it. */
async function abandon(server: Daemon, isolation: Isolation, afterMs: number): Promise<void> {
  const request = fetch(`${server.url}/v1/sandboxes`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify({ isolation }),
    signal: AbortSignal.timeout(afterMs),
  });
  const answered = await request.then((answer) => answer.json()).catch(() => undefined);
  // It was faster than the client was impatient.
  if (answered) await terminate(server, answered.id);
}

async function terminateEarly(server: Daemon, isolation: Isolation, afterMs: number): Promise<void> {
  const name = `early-${isolation}-${afterMs}`;
  const created = create(server, ["sleep", "1000"], { name, isolation }).catch((error: unknown) => error);
  await sleep(afterMs);
  for await (const sandbox of Sandbox.list({ client: server.client })) await sandbox.terminate();
  const made = await created;
  if (made instanceof Sandbox) await made.terminate();
}

async function terminate(server: Daemon, id: string): Promise<void> {
  await (await Sandbox.fromId(id, { client: server.client })).terminate();
}
