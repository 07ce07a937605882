/** An image as an archive, into a file of this machine or a stream. */
import { type Client, failure } from "./client.ts";

/** @param of bytes in all */
export type OnExported = (bytes: number, of: number) => void;

export async function exportImage(
  client: Client,
  image: string,
  target: string | WritableStream<Uint8Array>,
  onProgress: OnExported | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { body, headers } = await client.open("exportImage", { params: { image }, signal });
  const of = Number(headers.get("content-length"));
  const endpoint = await client.endpoint();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    try {
      for await (const piece of body ?? new Blob([]).stream()) {
        yield piece;
        bytes += piece.length;
        onProgress?.(bytes, of);
      }
    } catch (cause) {
      throw failure(cause, endpoint, signal);
    }
  }
  await (typeof target === "string" ? intoFile(pieces(), target) : intoStream(pieces(), target));
}

/** Under another name until it is whole. */
async function intoFile(pieces: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  const { told, writeFile } = await import("./local-files.ts");
  const partial = `${path}.${crypto.randomUUID()}.partial`;
  try {
    await writeFile(partial, pieces, 0o644, "wx");
    await told("write", path, rename(partial, path));
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function intoStream(pieces: AsyncIterable<Uint8Array>, target: WritableStream<Uint8Array>): Promise<void> {
  const writer = target.getWriter();
  try {
    for await (const piece of pieces) await writer.write(piece);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => undefined); // it has failed already
    throw error;
  }
}
