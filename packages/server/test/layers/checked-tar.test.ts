import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { checkedTar } from "../../src/layers/checked-tar.ts";
import { padding, readTar, type TarHeader, tarEnd, tarHeader } from "../../src/layers/tar.ts";
import { temporaryDirectory } from "../support/state.ts";

const limits = { bytes: 1_000_000, entries: 100 };

function entry(fields: Partial<TarHeader>, content = ""): Buffer {
  const header: TarHeader = {
    name: "a",
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    sizeBytes: Buffer.byteLength(content),
    mtime: 1,
    link: "",
    major: 0,
    minor: 0,
    records: new Map(),
    ...fields,
  };
  return Buffer.concat([tarHeader(header), Buffer.from(content), padding(Buffer.byteLength(content))]);
}

/** In pieces of a size that meets no block's end. */
async function* pieces(bytes: Buffer, size = 777): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function checked(...entries: Buffer[]): Promise<TarHeader[]> {
  const source = pieces(Buffer.concat([...entries, tarEnd]));
  const headers: TarHeader[] = [];
  const passed = checkedTar(source, { limits, hasWhiteouts: true });
  for await (const { header } of readTar(passed)) headers.push(header);
  return headers;
}

const refusals: readonly (readonly [title: string, entries: Buffer[], reason: RegExp])[] = [
  ["an absolute name", [entry({ name: "/etc/passwd" })], /absolute/],
  ["a name with ..", [entry({ name: "a/../../b" })], /leaves it/],
  ["a name below a link", [entry({ name: "a", type: "symlink", link: "/etc" }), entry({ name: "a/b" })], /below/],
  ["a name below a file", [entry({ name: "a" }), entry({ name: "a/b" })], /below/],
  [
    "a directory in the place of a link",
    [entry({ type: "symlink", link: "/etc" }), entry({ type: "directory" })],
    /twice/,
  ],
  ["a hard link out of it", [entry({ type: "hardlink", link: "../x" })], /leaves it/],
  ["a hard link to what is elsewhere", [entry({ type: "hardlink", link: "etc/shadow" })], /does not have/],
  [
    "a hard link to a symbolic one",
    [entry({ name: "l", type: "symlink", link: "/etc/shadow" }), entry({ type: "hardlink", link: "l" })],
    /does not have/,
  ],
  ["a device", [entry({ type: "block", major: 8 })], /device/],
  ["a device that would be a whiteout", [entry({ type: "character" })], /device/],
  ["the removal of its own root", [entry({ name: ".wh..." })], /removes/],
  ["a name with a zero byte", [entry({ records: new Map([["path", "a\0b"]]) })], /no file can have/],
  ["a sparse file", [entry({ records: new Map([["GNU.sparse.major", "1"]]) })], /unknown kind/],
];
for (const [title, entries, reason] of refusals) {
  test(`an archive with ${title} is refused`, async () => {
    await assert.rejects(checked(...entries), (error) => {
      assert.ok(error instanceof AtollError && error.code === "invalid_argument");
      assert.match(error.message, reason);
      return true;
    });
  });
}

test("an archive beyond the limits is refused before its content is read", async () => {
  const bomb = entry({ sizeBytes: 10_000_000_000_000 });
  await assert.rejects(checked(bomb), { code: "payload_too_large" });
  const many = Array.from({ length: 101 }, (_, index) => entry({ name: `f${index}` }));
  await assert.rejects(checked(...many), { code: "payload_too_large" });
});

test("attributes that would speak to overlayfs are left out, capabilities are kept", async () => {
  const records = new Map([
    ["SCHILY.xattr.trusted.overlay.redirect", "/etc"],
    ["SCHILY.xattr.trusted.overlay.opaque", "y"],
    ["SCHILY.xattr.security.capability", "cap"],
    ["comment", "x"],
  ]);
  const [header] = await checked(entry({ type: "directory", records }));
  assert.deepEqual([...(header?.records ?? [])], [["SCHILY.xattr.security.capability", "cap"]]);
});

test("whiteouts become what overlayfs understands", async () => {
  const headers = await checked(
    entry({ name: "./d/", type: "directory", mode: 0o700 }),
    entry({ name: "d/.wh..wh..opq" }),
    entry({ name: "d/.wh.gone" }),
    entry({ name: "d/.wh..wh.plnk" }),
  );
  assert.deepEqual(
    headers.map(({ name, type, mode }) => [name, type, mode]),
    [
      ["d", "directory", 0o700],
      ["d", "directory", 0o700],
      ["d/gone", "character", 0],
    ],
  );
  assert.equal(headers[1]?.records.get("SCHILY.xattr.trusted.overlay.opaque"), "y");
});

test("a damaged or cut off archive is refused", async () => {
  const good = Buffer.concat([entry({}, "content"), tarEnd]);
  const check = (bytes: Buffer) =>
    Array.fromAsync(checkedTar(pieces(bytes), { limits, hasWhiteouts: false })).then(() => undefined);
  await check(good);
  const damaged = Buffer.from(good);
  damaged[3] = 0x41;
  for (const bytes of [good.subarray(0, 515), damaged, Buffer.alloc(700, 0x41)]) {
    await assert.rejects(check(bytes), { code: "invalid_argument" });
  }
});

for (const format of ["gnu", "pax", "ustar"]) {
  test(`what tar writes in the ${format} format is read and written without a loss`, async (t) => {
    const directory = temporaryDirectory(t);
    const tree = join(directory, "tree");
    mkdirSync(join(tree, "deep/er"), { recursive: true });
    writeFileSync(join(tree, "deep/er/ünïcode"), "x".repeat(1500));
    if (format !== "ustar") writeFileSync(join(tree, "l".repeat(160)), "long");
    symlinkSync("/etc/passwd", join(tree, "link"));
    const time = format === "pax" ? "@1500000000.123456789" : "@1500000000";
    execFileSync("find", [tree, "-exec", "touch", "--no-dereference", "--date", time, "{}", "+"]);
    const before = join(directory, "before.tar");
    execFileSync("tar", ["--create", `--format=${format}`, "--file", before, "--directory", tree, "."]);
    const passed = checkedTar(pieces(readFileSync(before)), { limits, hasWhiteouts: true });
    const after = join(directory, "after.tar");
    writeFileSync(after, Buffer.concat(await Array.fromAsync(passed)));
    assert.equal(spawnSync("tar", ["--diff", "--file", after, "--directory", tree]).stdout.toString(), "");
    const names = (file: string) => execFileSync("tar", ["--list", "--file", file]).toString().split("\n").length;
    assert.equal(names(after), names(before));
  });
}
