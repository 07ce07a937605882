import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Streamed } from "./call.ts";

/**
 * Sends a body as it comes, at the client's pace. A stream that fails is cut off rather than ended, so that the client can
 * tell it from the end and continue at its offset.
 * @param headers those that were set already
 */
export async function sendStream(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  streamed: Streamed,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, {
    ...headers,
    "content-type": streamed.contentType ?? "application/octet-stream",
    "atoll-offset": streamed.offset,
    ...(streamed.sizeBytes !== undefined && { "content-length": streamed.sizeBytes }),
    "cache-control": "no-store",
  });
  // Otherwise the client learns only with the first byte that it is connected.
  response.flushHeaders();
  try {
    for await (const piece of streamed.source) {
      if (!response.write(piece)) await once(response, "drain", { signal });
    }
    response.end();
  } catch {
    response.destroy();
  }
}
