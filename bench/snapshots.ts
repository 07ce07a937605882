/** What a snapshot does, without a sandbox: the same files on a file system with reflinks of the benchmark's own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultClient, type Sandbox } from "@atoll/sdk";

const imageBytes = 16 * 1024 ** 3;

/** The benchmark has a mount namespace of its own, so these mounts are nobody else's. */
export class BareFiles implements Disposable {
  readonly #directory = mkdtempSync("/tmp/atoll-bench-");
  readonly #root = join(this.#directory, "xfs");
  #count = 0;

  constructor(script: string) {
    const image = join(this.#directory, "image");
    writeFileSync(image, "");
    truncateSync(image, imageBytes);
    run("mkfs.xfs", "-q", "-m", "reflink=1", image);
    mkdirSync(this.#root);
    run("mount", "-o", "loop,noatime", image, this.#root);
    for (const name of ["base", "upper"]) mkdirSync(join(this.#root, name));
    run("sh", "-euc", `cd ${this.#root}/upper; ${script}; sync -f .`);
  }

  tar(): number {
    return this.#timed((path) => run("tar", "--create", "--file", path, "-C", join(this.#root, "upper"), "."));
  }

  copy(): number {
    return this.#timed((path) => run("cp", "--archive", "--reflink=never", join(this.#root, "upper"), path));
  }

  clone(): number {
    return this.#timed((path) => run("cp", "--archive", "--reflink=always", join(this.#root, "upper"), path));
  }

  /** What was written becomes a layer, and a new one is put on it. */
  restack(): number {
    return this.#timed((path) => {
      for (const name of ["", "/upper", "/work", "/root"]) mkdirSync(`${path}${name}`);
      const lower = `lowerdir=${this.#root}/upper:${this.#root}/base`;
      run(
        "mount",
        "-t",
        "overlay",
        "overlay",
        "-o",
        `${lower},upperdir=${path}/upper,workdir=${path}/work`,
        `${path}/root`,
      );
    });
  }

  [Symbol.dispose](): void {
    run("umount", this.#root);
    rmSync(this.#directory, { recursive: true });
  }

  #timed(act: (path: string) => void): number {
    const path = join(this.#root, `made${this.#count++}`);
    const began = performance.now();
    act(path);
    const elapsed = performance.now() - began;
    run("sh", "-c", `umount ${path}/root 2> /dev/null; rm -rf ${path}`);
    return elapsed;
  }
}

export interface Snapshotted {
  readonly pausedMs: number;
  readonly totalMs: number;
}

/** Takes a snapshot, and removes it. */
export async function snapshotOf(sandbox: Sandbox): Promise<Snapshotted> {
  const client = defaultClient();
  const params = { sandboxId: sandbox.id };
  const began = performance.now();
  const { image, pausedMs } = await client.request("snapshotSandbox", { params, body: {} });
  const totalMs = performance.now() - began;
  await client.request("removeImage", { params: { image: image.id } });
  return { pausedMs, totalMs };
}

function run(program: string, ...argv: readonly string[]): void {
  execFileSync(program, argv, { stdio: ["ignore", "ignore", "inherit"] });
}
