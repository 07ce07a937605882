import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Launcher } from "../../packages/server/src/launcher/client.ts";
import { removeState, stateDirectory } from "../support/daemon.ts";
import { checkout } from "../support/server.ts";
import type { Attempt } from "./faults.ts";

const program = fileURLToPath(new URL("./failing-creates.ts", import.meta.url));
const launcherBinary = join(checkout, "native/build/launcher");

test("a creation that goes wrong at any call to the launcher leaves nothing behind, at both levels", async (t) => {
  const state = await stateDirectory();
  t.after(() => removeState(state));
  for (const name of ["run", "log"]) mkdirSync(join(state, name), { recursive: true });
  const socketPath = join(state, "run/launcher.sock");
  const launcher = await Launcher.ensure({
    socketPath,
    binary: launcherBinary,
    pidfile: join(state, "run/launcher.pid"),
    logFile: join(state, "log/launcher.log"),
  });
  t.after(() => process.kill(launcher.pid, "SIGTERM"));
  launcher.close();
  const attempts = await run(state, socketPath);
  for (const isolation of ["gvisor", "container"]) {
    const own = attempts.filter((attempt) => attempt.isolation === isolation);
    assert.ok(
      own.some(({ step }) => step === "claim"),
      `${isolation}: the last call of a creation went wrong too`,
    );
    assert.ok(
      own.some(({ step, error }) => step === undefined && error === undefined),
      "without a fault it passes",
    );
    t.diagnostic(`${isolation}: ${own.length} attempts`);
  }
  const broken = attempts.filter(({ left, swept }) => Object.keys(left).length > 0 || swept.length > 0);
  assert.deepEqual(broken, []);
});

async function run(state: string, socketPath: string): Promise<Attempt[]> {
  const layers = join(state, "store/layers");
  const layer = join(layers, readdirSync(layers)[0] ?? "");
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", program];
  const runsc = join(state, "tools/runsc");
  const argv = ["enter", "--socket", socketPath, "--", ...node, state, layer, runsc];
  const { stdout } = await promisify(execFile)(launcherBinary, argv, { maxBuffer: 64 * 1024 ** 2 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}
