/** Whatever bytes may come from, as one stream. */

/** Bytes or text, all at once or in pieces as they come. */
export type ByteSource =
  | string
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array | string>;

/** A stream of the source, and the error that it failed with. */
export interface Outgoing {
  readonly stream: ReadableStream<Uint8Array>;
  /** What a failed request failed with: the source's own error if it had one. */
  failure(error: unknown): unknown;
}

export function outgoing(source: ByteSource): Outgoing {
  const pieces = iterate(source);
  let failed: { readonly error: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (done) controller.close();
          else controller.enqueue(bytesOf(value));
        } catch (error) {
          failed = { error };
          throw error;
        }
      },
      cancel: async () => void (await pieces.return(undefined)),
    },
    { highWaterMark: 0 },
  );
  return { stream, failure: (error) => (failed ? failed.error : error) };
}

export function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

async function* iterate(source: ByteSource): AsyncGenerator<Uint8Array | string> {
  if (typeof source === "string" || source instanceof Uint8Array) yield source;
  else yield* source;
}
