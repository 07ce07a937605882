/** Layers, disks and holders for tests of claims. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Claim, WatchedProcess } from "../../src/launcher/client.ts";
import { makeWritable } from "../../src/layers/writable.ts";
import { type Host, soon } from "./host.ts";
import { buildStatic } from "./programs.ts";

/** Host uid of the sandboxes' root in these tests. */
export const rootId = 1_000_000;

/** What a holder is given unless a test says otherwise. */
export type Wanted = Partial<Claim>;

export interface Programs {
  readonly directory: string;
  readonly holder: string;
  readonly inside: string;
}

/** In a directory that the caller removes. */
export function buildPrograms(): Programs {
  const directory = mkdtempSync(join(tmpdir(), "atoll-launcher-programs-"));
  return { directory, holder: buildStatic("holder", directory), inside: buildStatic("inside", directory) };
}

export class Claims {
  readonly host: Host;
  readonly #programs: Programs;
  #made = 0;

  constructor(host: Host, programs: Programs) {
    this.host = host;
    this.#programs = programs;
  }

  /** A layer with the given files (contents by path), and the tests' only program when it is the lowest. */
  layer(files: Readonly<Record<string, string>> = {}): string {
    const layer = join(this.host.directory, `layer${this.#made++}`);
    mkdirSync(layer, { mode: 0o755 });
    for (const [path, contents] of Object.entries(files)) {
      mkdirSync(dirname(join(layer, path)), { recursive: true });
      writeFileSync(join(layer, path), contents);
    }
    return layer;
  }

  base(files: Readonly<Record<string, string>> = {}): string {
    const layer = this.layer({ "etc/passwd": "root:x:0:0::/:/bin/inside\n", ...files });
    mkdirSync(join(layer, "bin"));
    copyFileSync(this.#programs.inside, join(layer, "bin/inside"));
    chmodSync(join(layer, "bin/inside"), 0o755);
    return layer;
  }

  async disk(bytes = 16 * 1024 ** 2): Promise<string> {
    const path = join(this.host.directory, `disk${this.#made++}.ext4`);
    await makeWritable(this.host.launcher, path, bytes, soon());
    return path;
  }

  /** @param uid host uid of its root; 0 for one without a user namespace, as gVisor's gofer */
  async holder(uid = rootId): Promise<WatchedProcess> {
    const { exitCode, stdout, stderr } = await this.host.launcher.run([this.#programs.holder, String(uid)], {
      signal: soon(),
    });
    if (exitCode !== 0) throw new Error(`cannot make a holder: ${stderr}`);
    return this.host.keep(await this.host.launcher.watch(Number(stdout), soon()));
  }

  async claim(holder: WatchedProcess, wanted: Wanted = {}): Promise<void> {
    const claim = {
      mountNamespacePid: holder.pid,
      userNamespacePid: holder.pid,
      rootId,
      target: "/newroot",
      moves: ["proc", "dev"],
      closed: [],
      hasSysfs: true,
      binds: [],
      pivot: true,
      ...wanted,
    };
    const layers = wanted.layers ?? [this.base()];
    await this.host.launcher.claim({ ...claim, layers, writable: wanted.writable ?? (await this.disk()) }, soon());
  }

  /** A holder with its root. */
  async claimed(wanted: Wanted = {}): Promise<WatchedProcess> {
    const holder = await this.holder();
    await this.claim(holder, wanted);
    return holder;
  }

  /** Does something as the sandbox's root in its root file system; see inside.c. */
  async inside(holder: WatchedProcess, verb: string, path: string): Promise<string> {
    const enter = ["nsenter", "-t", String(holder.pid), "-U", "-m", "-p", "-n", "-r", "-w", "-S", "0", "-G", "0"];
    const { exitCode, stdout, stderr } = await this.host.launcher.run([...enter, "--", "/bin/inside", verb, path], {
      signal: soon(),
    });
    if (exitCode !== 0) throw new Error(`cannot ${verb} ${path}: ${stderr}`);
    return stdout.trim();
  }
}

/** A path as the holder sees it, seen from the host. */
export function seen(holder: WatchedProcess, path: string): string {
  return join(`/proc/${holder.pid}/root`, path);
}

/** The loop devices whose file is below the directory. */
export function loopDevices(directory: string): string[] {
  return readdirSync("/sys/block").filter((name) => {
    try {
      return readFileSync(`/sys/block/${name}/loop/backing_file`, "utf8").startsWith(`${directory}/`);
    } catch (error) {
      // Another kind of device, or a loop device that is not attached or was just detached.
      if (error instanceof Error && "code" in error && ["ENOENT", "ENXIO", "ENODEV"].includes(String(error.code)))
        return false;
      throw error;
    }
  });
}
