/** A build at the server: its events as they come, and in the end the image. */
import { abortError } from "./abort.ts";
import { type Client, failure } from "./client.ts";
import { AtollError, errorFromCode, ImageBuildError } from "./errors.ts";
import type { ImageBuild, ImageBuildEvent, Image as ImageInfo } from "./generated/api.ts";

/** A step that begins, a line it writes, or its end. */
export type BuildEvent = Exclude<ImageBuildEvent, { readonly event: "image" | "failed" }>;

const attempts = 3;

/** A connection that is lost half-way is opened again: steps that are done are cached, and output may be told twice. */
export async function buildImage(
  client: Client,
  body: ImageBuild,
  onEvent: ((event: BuildEvent) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<ImageInfo> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await client.open("buildImage", { body, signal });
    try {
      return await lastEvent(response.body, onEvent);
    } catch (cause) {
      if (signal?.aborted) throw abortError(signal);
      if (cause instanceof AtollError) throw cause;
      if (attempt === attempts) throw failure(cause, await client.endpoint(), signal);
      await client.findAgain();
    }
  }
}

async function lastEvent(
  body: ReadableStream<Uint8Array> | null,
  onEvent: ((event: BuildEvent) => void) | undefined,
): Promise<ImageInfo> {
  for await (const line of linesOf(body)) {
    const event = JSON.parse(line) as ImageBuildEvent;
    if (event.event === "image") return event.image;
    if (event.event === "failed") throw failedBuild(event);
    onEvent?.(event);
  }
  throw new Error("the answer ended early");
}

async function* linesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<string> {
  const reader = (body ?? new Blob([]).stream()).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } finally {
    // Whoever stops listening must not keep the connection, and with it the build, alive.
    await reader.cancel().catch(() => undefined);
  }
}

function failedBuild(event: Extract<ImageBuildEvent, { readonly event: "failed" }>): AtollError {
  const { error, step, text, exitCode, output } = event;
  if (step !== undefined && exitCode !== undefined) {
    const failed = { step, text: text ?? "", exitCode, output: output ?? [] };
    return new ImageBuildError(error.message, { code: "build_failed", hint: error.hint, failed });
  }
  return errorFromCode(error.code, error.message, error.hint);
}
