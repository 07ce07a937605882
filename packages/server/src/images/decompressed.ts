import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";

/**
 * Bytes as they were before gzip or zstd; others as they are. Reading may stop early: what is left of the streams then ends
 * in an error that is nobody's.
 * @param magic the first four bytes at least, in hexadecimal
 */
export function decompressed(source: AsyncIterable<Buffer>, magic: string): AsyncIterable<Buffer> {
  if (magic.startsWith("1f8b")) return through(source, createGunzip());
  return magic.startsWith("28b52ffd") ? through(source, createZstdDecompress()) : source;
}

async function* through(
  source: AsyncIterable<Buffer>,
  decompress: ReturnType<typeof createGunzip>,
): AsyncGenerator<Buffer> {
  const piping = pipeline(Readable.from(source), decompress).catch(() => undefined);
  try {
    yield* decompress as AsyncIterable<Buffer>;
  } finally {
    decompress.destroy();
    await piping;
  }
}
