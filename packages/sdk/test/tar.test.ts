import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidError } from "../src/errors.ts";
import { archiveEnd, padding, type TarEntry, TarReader, tarHeader } from "../src/tar.ts";

const plain = { target: "", mode: 0o644, size: 0, mtime: 1_700_000_000 };

/** An archive of entries, the files filled with their size as bytes. */
function archive(entries: readonly TarEntry[]): Uint8Array {
  const pieces = entries.flatMap((entry) => [
    ...tarHeader(entry),
    new Uint8Array(entry.size).fill(entry.size % 251),
    padding(entry.size),
  ]);
  return Buffer.concat([...pieces, archiveEnd]);
}

async function* cutUp(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const entries: readonly TarEntry[] = [
  { ...plain, type: "directory", name: "./", mode: 0o755 },
  { ...plain, type: "file", name: "größe", size: 1000 },
  { ...plain, type: "file", name: `${"n".repeat(150)}/file`, size: 512, mtime: 2 ** 34 },
  { ...plain, type: "symlink", name: "link", target: "t".repeat(300), mode: 0o777 },
  { ...plain, type: "hardlink", name: "hard", target: "größe" },
  { ...plain, type: "file", name: "empty" },
];

test("what is written is read again, however the bytes are cut", async () => {
  for (const size of [1, 7, 512, 100_000]) {
    const reader = new TarReader(cutUp(archive(entries), size));
    for (const entry of entries) {
      assert.deepEqual(await reader.next(), entry);
      let length = 0;
      for await (const piece of reader.bytes()) {
        length += piece.length;
        assert.ok(piece.every((byte) => byte === entry.size % 251));
      }
      assert.equal(length, entry.size);
    }
    assert.equal(await reader.next(), undefined);
  }
});

test("bytes that nobody takes are skipped", async () => {
  const reader = new TarReader(cutUp(archive(entries), 300));
  const names: string[] = [];
  for (let entry = await reader.next(); entry; entry = await reader.next()) names.push(entry.name);
  assert.deepEqual(
    names,
    entries.map(({ name }) => name),
  );
});

test("a broken or shortened archive is an InvalidError", async () => {
  const whole = archive(entries);
  const flipped = Buffer.from(whole);
  flipped[3] = (flipped[3] ?? 0) ^ 0x40;
  const cut = whole.subarray(0, 1700);
  for (const bytes of [flipped, cut, whole.subarray(0, 100), new Uint8Array()]) {
    const reader = new TarReader(cutUp(bytes, 512));
    await assert.rejects(async () => {
      while (await reader.next());
    }, InvalidError);
  }
});
