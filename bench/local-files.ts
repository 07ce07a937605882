/** Files of this machine to measure with, in a directory that is removed again. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const perDirectory = 100;
const smallBytes = 3000;

export class LocalFiles implements Disposable {
  /** Not below the state directory; on a disk, as that is. */
  readonly directory = mkdtempSync("/var/tmp/atoll-bench-");
  #aside = 0;

  path(name: string): string {
    return join(this.directory, name);
  }

  /** One file of bytes that cannot be compressed. */
  large(name: string, mebibytes: number): string {
    const path = this.path(name);
    execFileSync("dd", ["if=/dev/urandom", `of=${path}`, "bs=1M", `count=${mebibytes}`, "status=none"]);
    return path;
  }

  /** A directory of small files. */
  many(name: string, count: number): string {
    const path = this.path(name);
    for (let at = 0; at < count; at += 1) {
      const directory = join(path, `d${Math.floor(at / perDirectory)}`);
      if (at % perDirectory === 0) mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, `f${at}`), Buffer.alloc(smallBytes, `${at} `));
    }
    return path;
  }

  /** A path where nothing is. A directory that was there is only moved aside: removing thousands of files slows a disk down for a while. */
  free(name: string): string {
    const path = this.path(name);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) renameSync(path, `${path}.${this.#aside++}`);
    else rmSync(path, { force: true });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
