import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { exitOf } from "../../src/launcher/client.ts";
import { LayerStore, type RunHost } from "../../src/layers/layer-store.ts";

const launcher = fileURLToPath(new URL("../../../../native/build/launcher", import.meta.url));
const signal = AbortSignal.timeout(120_000);

const run: RunHost = (argv, { cwd } = {}) =>
  new Promise((resolve) => {
    const [file = "", ...rest] = argv;
    execFile(file, rest, { cwd, env: { ...process.env, LC_ALL: "C" } }, (error, stdout, stderr) => {
      const exitCode = error ? Number(error.code ?? 1) : 0;
      resolve({ status: exitCode << 8, exitCode: exitOf(exitCode << 8).exitCode, stdout, stderr });
    });
  });

function store(t: TestContext): LayerStore {
  const directory = mkdtempSync(join(tmpdir(), "atoll-merge-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return new LayerStore(directory, run, launcher);
}

/** Everything there is in a directory, with kinds, modes, owners, targets and contents. */
function contents(root: string): string[] {
  const list = `find . -printf '%p %y %m %U:%G %l ' \\( -type f -exec cat {} \\; -o -true \\) -printf '\\n'`;
  const xattrs = "find . -type d -exec stat -c '%n %a' {} +";
  return execFileSync("sh", ["-c", `${list}; ${xattrs}`], { cwd: root })
    .toString()
    .split("\n")
    .sort();
}

/** A layer of what a script does to the stack below. */
async function layer(layers: LayerStore, id: string, below: readonly string[], script: string): Promise<void> {
  const act = async (root: string) => void execFileSync("sh", ["-euc", script], { cwd: root, stdio: "pipe" });
  await layers.make(id, (directory) => layers.withWritable(below, directory, act, signal), signal);
}

async function assertSame(layers: LayerStore, stack: readonly string[], from: number, to: number): Promise<void> {
  const merged = `merged-${from}-${to}`;
  await layers.make(merged, (directory) => layers.merge(stack.slice(from, to), directory, signal), signal);
  const seen = (ids: readonly string[]) => layers.withMounted(ids, async (root) => contents(root), signal);
  const other = [...stack.slice(0, from), merged, ...stack.slice(to)];
  assert.deepEqual(await seen(other), await seen(stack), `layers ${from} to ${to}`);
  await layers.remove(merged);
}

test("merged layers show what they showed one on another, whatever each of them removed or replaced", async (t) => {
  const layers = store(t);
  const scripts = [
    "mkdir -p d/e f/g h; echo 1 > d/1; echo 1 > d/e/1; echo 1 > f/g/1; echo 1 > h/1; echo 1 > file; ln -s file link; echo 1 > was; mkdir gone; echo 1 > gone/1",
    "rm d/1; rm -r f/g; echo 2 > d/2; echo 2 > file; chmod 600 file; rm -r gone; chown 7:8 h",
    "rm -r d; mkdir d; echo 3 > d/3; mkdir f/g; echo 3 > f/g/3; rm link; mkdir link; echo 3 > link/3; rm was",
    "rm -r h; echo 4 > h; rm file; ln -s d/3 file; mkdir was; echo 4 > was/4; mkdir gone",
    "rm h; mkdir h; echo 5 > h/5; rm -r link; ln -s nowhere link; echo 5 > d/5; chmod 700 d; rm -r was",
  ];
  const stack: string[] = [];
  for (const [index, script] of scripts.entries()) {
    await layer(layers, `l${index}`, stack, script);
    stack.push(`l${index}`);
  }
  for (let from = 0; from < stack.length - 1; from += 1)
    for (let to = from + 2; to <= stack.length; to += 1) await assertSame(layers, stack, from, to);
});

test("a plain directory over something else that is merged shows nothing of what is below that", async (t) => {
  const layers = store(t);
  // As layers from elsewhere may be: overlayfs itself would mark the directory.
  const plain = (id: string, script: string) =>
    layers.make(
      id,
      async (directory) => {
        execFileSync("sh", ["-euc", script], { cwd: directory });
      },
      signal,
    );
  await plain("a", "mkdir d e; echo low > d/low; echo low > e/low; chmod 711 d");
  await plain("b", "mknod d c 0 0; echo file > e");
  await plain("c", "mkdir -m 750 d e; echo high > d/high; echo high > e/high");
  await assertSame(layers, ["a", "b", "c"], 1, 3);
  await assertSame(layers, ["a", "b", "c"], 0, 2);
});

test("names with odd bytes are merged, and links on the way are not followed", async (t) => {
  const layers = store(t);
  const outside = mkdtempSync(join(tmpdir(), "atoll-outside-"));
  t.after(() => rmSync(outside, { recursive: true }));
  mkdirSync(join(outside, "kept"));
  await layer(layers, "a", [], `ln -s ${outside} out; printf x > "$(printf 'a\\377\\nb')"; mkdir -- -n`);
  await layer(layers, "b", ["a"], `rm out; mkdir out; mkdir out/kept; rm "$(printf 'a\\377\\nb')"; rmdir -- -n`);
  await layer(layers, "c", ["a", "b"], "rm -r out/kept; echo > out/new");
  await assertSame(layers, ["a", "b", "c"], 0, 3);
  assert.ok(contents(outside).some((line) => line.startsWith("./kept")));
});
