/** Archives of images, of a test's own making. */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needPackages } from "./packages.ts";
import { ociLayout, type TestLayer } from "./registry.ts";

export interface TestImage {
  /** An OCI layout. */
  readonly layout: string;
  /** The same as one file. */
  readonly archive: string;
  /** What its command prints: the digest of each of its files. */
  readonly printed: string;
}

/**
 * An image that tells whether it is whole: a program that prints the digests of its files, and a layer for each file, of random bytes. Upper layers
 * remove a file of the lowest.
 */
export function testImage(directory: string, name: string, files: readonly number[]): TestImage {
  needPackages({ "/usr/bin/busybox": "busybox-static" });
  const root = join(directory, `${name}-root`);
  const layer = (fill: () => void): TestLayer => {
    mkdirSync(root, { recursive: true });
    fill();
    const tar = execFileSync("tar", ["-cf", "-", "--numeric-owner", "--owner=0", "--group=0", "-C", root, "."], {
      maxBuffer: 1024 ** 3,
    });
    rmSync(root, { recursive: true });
    return { tar, compression: "none" };
  };
  const printed: string[] = [];
  const layers = [
    layer(() => {
      mkdirSync(join(root, "bin"));
      copyFileSync("/usr/bin/busybox", join(root, "bin/busybox"));
      mkdirSync(join(root, "data"));
      for (const index of files.keys()) writeFileSync(join(root, `data/removed${index}`), "");
    }),
    ...files.map((bytes, index) =>
      layer(() => {
        const content = randomBytes(bytes);
        mkdirSync(join(root, "data"));
        writeFileSync(join(root, `data/file${index}`), content);
        writeFileSync(join(root, `data/.wh.removed${index}`), "");
        printed.push(`${createHash("sha256").update(content).digest("hex")}  /data/file${index}\n`);
      }),
    ),
  ];
  const layout = join(directory, name);
  ociLayout(layout, layers, { Cmd: ["/bin/busybox", "sh", "-c", "busybox sha256sum /data/*"], Env: ["PATH=/bin"] });
  const archive = join(directory, `${name}.tar`);
  execFileSync("tar", ["-cf", archive, "-C", layout, "."]);
  return { layout, archive, printed: printed.join("") };
}
