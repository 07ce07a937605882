/** Work at the server that tells what it does: events as they come, the last of which is the result, or why there is none. */
import { abortError } from "./abort.ts";
import { type Client, failure } from "./client.ts";
import { AtollError, errorFromCode, ImageBuildError } from "./errors.ts";
import type { Answer } from "./fetch.ts";
import type {
  ImageBuild,
  ImageBuildEvent,
  ImageImport,
  ImageImportEvent,
  Image as ImageInfo,
  ImagePush,
  ImagePushEvent,
  ImagePushed,
} from "./generated/api.ts";

/** A step that begins, a line it writes, or its end; or how far a transfer is. */
export type BuildEvent = Exclude<ImageBuildEvent, { readonly event: "image" | "failed" }>;
/** How far an import or a push is, in bytes. */
export type TransferEvent = Extract<BuildEvent, { readonly event: "progress" }>;

type Event = ImageBuildEvent | ImageImportEvent | ImagePushEvent;
type Failed = Extract<ImageBuildEvent, { readonly event: "failed" }>;
type Told<Of> = Exclude<Of, { readonly event: "image" | "pushed" | "failed" }>;
type Listener<Of> = ((event: Told<Of>) => void) | undefined;

const attempts = 3;

export async function buildImage(
  client: Client,
  body: ImageBuild,
  onEvent: Listener<ImageBuildEvent>,
  signal: AbortSignal | undefined,
): Promise<ImageInfo> {
  const open = () => client.open("buildImage", { body, signal });
  const last = await lastEvent<ImageBuildEvent, "image">(client, open, "image", onEvent, signal);
  return last.image;
}

export async function importImage(
  client: Client,
  body: ImageImport,
  onEvent: Listener<ImageImportEvent>,
  signal: AbortSignal | undefined,
): Promise<ImageInfo> {
  const open = () => client.open("importImage", { body, signal });
  const last = await lastEvent<ImageImportEvent, "image">(client, open, "image", onEvent, signal);
  return last.image;
}

export async function pushImage(
  client: Client,
  image: string,
  body: ImagePush,
  onEvent: Listener<ImagePushEvent>,
  signal: AbortSignal | undefined,
): Promise<ImagePushed> {
  const open = () => client.open("pushImage", { params: { image }, body, signal });
  const last = await lastEvent<ImagePushEvent, "pushed">(client, open, "pushed", onEvent, signal);
  return last.pushed;
}

/** A connection that is lost half-way is opened again: what was done is found done, and some may be told twice. */
async function lastEvent<Of extends Event, Last extends string>(
  client: Client,
  open: () => Promise<Answer>,
  last: Last,
  onEvent: Listener<Of>,
  signal: AbortSignal | undefined,
): Promise<Extract<Of, { readonly event: Last }>> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await open();
    try {
      for await (const line of linesOf(response.body)) {
        const event = JSON.parse(line) as Of;
        if (event.event === last) return event as Extract<Of, { readonly event: Last }>;
        if (event.event === "failed") throw failedWork(event);
        onEvent?.(event as Told<Of>);
      }
      throw new Error("the answer ended early");
    } catch (cause) {
      if (signal?.aborted) throw abortError(signal);
      if (cause instanceof AtollError) throw cause;
      if (attempt === attempts) throw failure(cause, await client.endpoint(), signal);
      await client.findAgain();
    }
  }
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
    // Whoever stops listening must not keep the connection, and with it the work, alive.
    await reader.cancel().catch(() => undefined);
  }
}

function failedWork({ error, step, text, exitCode, output }: Failed): AtollError {
  if (step !== undefined && exitCode !== undefined) {
    const failed = { step, text: text ?? "", exitCode, output: output ?? [] };
    return new ImageBuildError(error.message, { code: "build_failed", hint: error.hint, failed });
  }
  return errorFromCode(error.code, error.message, error.hint);
}
