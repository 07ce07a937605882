/** Answers that are one JSON value a line, the last of which may be an error. */
import { InvalidError, knownError } from "./errors.ts";
import { decodeUtf8, wholeLines } from "./line-block.ts";

const mostLineBytes = 1024 * 1024;

/** The values as they arrive. @throws AtollError the error that the last line is */
export async function* jsonLines<Value>(body: ReadableStream<Uint8Array>): AsyncGenerator<Value, void, undefined> {
  let pending = new Uint8Array();
  for await (const piece of body) {
    const all = pending.length > 0 ? joined(pending, piece) : piece;
    const length = wholeLines(all);
    pending = all.slice(length);
    if (pending.length > mostLineBytes) throw lineTooLong();
    if (length > 0) for (const line of decodeUtf8(all.subarray(0, length - 1)).split("\n")) yield parsed(line);
  }
}

function parsed<Value>(line: string): Value {
  const value = JSON.parse(line);
  const error = knownError(value?.error);
  if (error) throw error;
  return value;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function lineTooLong(): InvalidError {
  return new InvalidError(`cannot read a line of more than ${mostLineBytes} bytes`, {
    code: "line_too_long",
    hint: "Check that ATOLL_URL is the address of an Atoll server.",
  });
}
