import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkedTar } from "../../src/layers/checked-tar.ts";
import { portableTar } from "../../src/layers/portable-tar.ts";
import { readTar, type TarHeader } from "../../src/layers/tar.ts";
import { temporaryDirectory } from "../support/state.ts";

async function* pieces(bytes: Buffer, size = 777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** As the pack of a layer reads it. */
function archived(directory: string): Buffer {
  const argv = ["--create", "--file=-", "--sort=name", "--format=posix", "--numeric-owner", "--xattrs"];
  return execFileSync("tar", [...argv, "--xattrs-include=*", "-C", directory, "."]);
}

async function headersOf(source: AsyncIterable<Buffer>): Promise<TarHeader[]> {
  const headers: TarHeader[] = [];
  for await (const { header } of readTar(source)) headers.push(header);
  return headers;
}

const portable = (directory: string) => portableTar(pieces(archived(directory)));
const python = (directory: string, program: string) => execFileSync("python3", ["-c", program], { cwd: directory });

test("removed names become marked files, also those that share one whiteout, and replaced directories are marked", async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "d/opaque"), { recursive: true });
  writeFileSync(join(directory, "d/opaque/new"), "new");
  execFileSync("mknod", [join(directory, "d/gone"), "c", "0", "0"]);
  for (const name of ["also", "d/opaque/third"]) linkSync(join(directory, "d/gone"), join(directory, name));
  python(directory, "import os; os.setxattr('d/opaque', 'trusted.overlay.opaque', b'y')");
  const headers = await headersOf(portable(directory));
  assert.deepEqual(
    headers.map(({ name, type }) => [name, type]),
    [
      ["./", "directory"],
      [".wh.also", "file"],
      ["d/", "directory"],
      ["d/.wh.gone", "file"],
      ["d/opaque/", "directory"],
      ["d/opaque/.wh..wh..opq", "file"],
      ["d/opaque/new", "file"],
      ["d/opaque/.wh.third", "file"],
    ],
  );
  assert.ok(headers.every(({ records }) => ![...records.keys()].some((key) => key.includes("overlay"))));
});

test("owners, modes, times, links, names in any bytes and attributes that mean something elsewhere are kept", async (t) => {
  const directory = temporaryDirectory(t);
  const odd = Buffer.concat([Buffer.from(`${directory}/odd`), Buffer.from([0xff, 0xe9])]);
  writeFileSync(odd, "odd");
  writeFileSync(join(directory, "a"), "content");
  linkSync(join(directory, "a"), join(directory, "b"));
  symlinkSync("/somewhere/else", join(directory, "l1"));
  linkSync(join(directory, "l1"), join(directory, "l2"));
  execFileSync("mkfifo", [join(directory, "pipe")]);
  python(
    directory,
    `import os, struct
os.chown('a', 12, 34); os.chmod('a', 0o4751); os.utime('a', ns=(0, 1600000000123456789))
os.setxattr('a', 'user.note', b'x\\xff'); os.setxattr('a', 'trusted.other', b'no')
os.setxattr('a', 'security.capability', struct.pack('<6I', 0x03000001, 1 << 10, 0, 0, 0, 0))`,
  );
  const found = new Map((await headersOf(portable(directory))).map((header) => [header.name, header]));
  const { uid, gid, mode, mtime, records } = found.get("a") ?? assert.fail("a is there");
  assert.deepEqual([uid, gid, mode, mtime], [12, 34, 0o4751, 1_600_000_000]);
  assert.deepEqual([...records.keys()].sort(), ["SCHILY.xattr.security.capability", "SCHILY.xattr.user.note", "mtime"]);
  assert.equal(records.get("mtime"), "1600000000.123456789");
  assert.equal(records.get("SCHILY.xattr.user.note"), "x\xff");
  const capability = Buffer.from(records.get("SCHILY.xattr.security.capability") ?? "", "latin1");
  assert.equal(capability.toString("hex"), "010000020004000000000000000000000000000000000000".slice(0, 40));
  assert.deepEqual([found.get("b")?.type, found.get("b")?.link], ["hardlink", "a"]);
  // Other tools, and this one, take no hard links to links.
  for (const name of ["l1", "l2"])
    assert.deepEqual([found.get(name)?.type, found.get(name)?.link], ["symlink", "/somewhere/else"]);
  assert.equal(found.get("pipe")?.type, "fifo");
  assert.ok(found.has("odd\xff\xe9"));
});

test("the same tree gives the same bytes, and what was taken in comes out as it was", async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, "x"));
  writeFileSync(join(directory, "x/file"), "1".repeat(100_000));
  writeFileSync(join(directory, `x/${"long".repeat(40)}`), "");
  execFileSync("mknod", [join(directory, "x/gone"), "c", "0", "0"]);
  const bytes = async (source: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(source));
  const once = await bytes(portable(directory));
  assert.ok(once.equals(await bytes(portable(directory))));
  const options = { limits: { bytes: 1e9, entries: 100 }, hasWhiteouts: true };
  const again = await bytes(portableTar(checkedTar(pieces(once), options)));
  assert.ok(once.equals(again));
});

test("a name that others take for a removal, and a device, are refused", async (t) => {
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, ".wh.file"), "");
  await assert.rejects(headersOf(portable(directory)), { code: "unsupported", message: /"\.wh\.file"/ });
  const other = temporaryDirectory(t);
  execFileSync("mknod", [join(other, "null"), "c", "1", "3"]);
  await assert.rejects(headersOf(portable(other)), {
    code: "unsupported",
    message: /"null", and it is a character device/,
  });
});
