/** Sending a body as it comes, by Node's HTTP client. Loaded in Node only. */
import type { ClientRequest } from "node:http";

/**
 * Sends the stream at the server's pace. An answer that comes before its end says that no more is wanted: the rest is left unread. A stream that fails breaks the request, whose promise then fails with that error.
 */
export async function sendBody(sent: ClientRequest, body: ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  let isOver = false;
  for (const event of ["close", "response"])
    sent.once(event, () => {
      isOver = true;
    });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || isOver) break;
      if (!sent.write(value)) await drained(sent);
    }
    if (isOver) await reader.cancel();
    else sent.end();
  } catch (error) {
    sent.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

function drained(sent: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const events = ["drain", "close", "response"] as const;
    const go = () => {
      for (const event of events) sent.off(event, go);
      resolve();
    };
    for (const event of events) sent.on(event, go);
  });
}
