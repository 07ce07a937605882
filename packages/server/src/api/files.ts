import type { Readable } from "node:stream";
import { AtollError } from "../error.ts";
import type { Files } from "../files/files.ts";
import { errorAnswer } from "./answer-error.ts";
import type { Handlers, Streamed } from "./call.ts";

const normalDirectoryMode = 0o755;

export function fileHandlers(
  files: Files,
): Pick<
  Handlers,
  | "readFile"
  | "writeFile"
  | "removeFile"
  | "statFile"
  | "listFiles"
  | "makeDirectory"
  | "renameFile"
  | "changeFileMode"
  | "readArchive"
  | "writeArchive"
  | "watchFiles"
> {
  return {
    readFile: async ({ params, query, signal }) => {
      const offset = query.offset ?? 0;
      const { source } = await files.read({ ...params, ...query }, offset, query.length, signal);
      return { offset, source };
    },
    writeFile: ({ params, query, body, signal }) => {
      const { how = "truncate", offset = 0, parents = false, mode } = query;
      return files.write({ ...params, ...query }, { how, offset, parents, mode }, bytesOf(body), signal);
    },
    removeFile: async ({ params, query, signal }) => {
      await files.remove({ ...params, ...query }, query.recursive ?? false, signal);
      return undefined;
    },
    statFile: ({ params, query, signal }) => files.stat({ ...params, ...query }, query.follow ?? true, signal),
    listFiles: ({ params, query, signal }) =>
      lines(files.list({ ...params, ...query }, query.recursive ?? false, signal)),
    makeDirectory: async ({ params, body, signal }) => {
      await files.makeDirectory(
        { ...params, ...body },
        body.mode ?? normalDirectoryMode,
        body.parents ?? false,
        signal,
      );
      return undefined;
    },
    renameFile: async ({ params, body, signal }) => {
      await files.rename({ ...params, ...body }, body.to, body.overwrite ?? true, signal);
      return undefined;
    },
    changeFileMode: async ({ params, body, signal }) => {
      await files.changeMode({ ...params, ...body }, body.mode, signal);
      return undefined;
    },
    readArchive: async ({ params, query, signal }) => ({
      offset: 0,
      source: await begun(files.pack({ ...params, ...query }, signal)),
    }),
    writeArchive: async ({ params, query, body, signal }) => {
      await files.unpack({ ...params, ...query }, query.owners ?? false, bytesOf(body), signal);
      return undefined;
    },
    watchFiles: ({ params, query, signal }) =>
      lines(files.watch({ ...params, ...query }, query.recursive ?? false, query.type, signal)),
  };
}

/** A request without a body has no stream either. One that is not read to its end is not destroyed: that would take the answer along. */
export function bytesOf(body: Readable | undefined): AsyncIterable<Buffer> {
  return body?.iterator({ destroyOnReturn: false }) ?? nothing();
}

async function* nothing(): AsyncGenerator<Buffer> {
  yield* [];
}

/** A line of JSON for each item. What fails before the first is answered as any failure, and later as a last line. */
export async function lines(groups: AsyncGenerator<readonly unknown[]>): Promise<Streamed> {
  return { offset: 0, contentType: "application/x-ndjson", source: jsonLines(await begun(groups)) };
}

async function* jsonLines(groups: AsyncGenerator<readonly unknown[]>): AsyncGenerator<Buffer> {
  try {
    for await (const group of groups) {
      if (group.length > 0) yield Buffer.from(`${group.map((item) => JSON.stringify(item)).join("\n")}\n`);
    }
  } catch (error) {
    if (!(error instanceof AtollError)) throw error;
    const { code, message, hint } = errorAnswer(error, "").body.error;
    yield Buffer.from(`${JSON.stringify({ error: { code, message, hint } })}\n`);
  }
}

/** The same generator, with its first value fetched, so that it has not failed at once. */
export async function begun<T>(source: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await source.next();
  return (async function* () {
    if (first.done) return;
    try {
      yield first.value;
      yield* source;
    } finally {
      await source.return(undefined);
    }
  })();
}
