import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Call } from "./call.ts";
import { StatusError } from "./status.ts";

/** Encoded messages in, encoded messages out. */
export type Rpc<C extends Call = Call> = (requests: AsyncGenerator<Buffer>, call: C) => AsyncIterable<Uint8Array>;
/** Rows of a service by the name of the call. */
export type Rpcs<C extends Call = Call> = { readonly [name: string]: Rpc<C> };

/** One request, one answer. */
export function unary<I extends DescMessage, O extends DescMessage, C extends Call = Call>(
  input: I,
  output: O,
  answer: (request: MessageShape<I>, call: C) => MessageInitShape<O> | Promise<MessageInitShape<O>>,
): Rpc<C> {
  return async function* (requests, call) {
    yield encoded(output, await answer(await only(input, requests), call));
  };
}

/** One request, answers as they come. */
export function serverStream<I extends DescMessage, O extends DescMessage, C extends Call = Call>(
  input: I,
  output: O,
  answer: (request: MessageShape<I>, call: C) => AsyncIterable<MessageInitShape<O>>,
): Rpc<C> {
  return async function* (requests, call) {
    const request = await only(input, requests);
    for await (const message of answer(request, call)) yield encoded(output, message);
  };
}

/** Requests as they come, one answer. */
export function clientStream<I extends DescMessage, O extends DescMessage, C extends Call = Call>(
  input: I,
  output: O,
  answer: (requests: AsyncGenerator<MessageShape<I>>, call: C) => Promise<MessageInitShape<O>>,
): Rpc<C> {
  return async function* (requests, call) {
    yield encoded(output, await answer(decodedAll(input, requests), call));
  };
}

function encoded<O extends DescMessage>(output: O, message: MessageInitShape<O>): Uint8Array {
  return toBinary(output, create(output, message));
}

function decoded<I extends DescMessage>(input: I, bytes: Buffer): MessageShape<I> {
  try {
    return fromBinary(input, bytes);
  } catch {
    throw new StatusError("invalidArgument", `cannot read the request: it is no ${input.typeName}`);
  }
}

async function* decodedAll<I extends DescMessage>(input: I, requests: AsyncGenerator<Buffer>) {
  for await (const bytes of requests) yield decoded(input, bytes);
}

/** Waits for the end too, so that a second message is seen before anything is done. */
async function only<I extends DescMessage>(input: I, requests: AsyncGenerator<Buffer>): Promise<MessageShape<I>> {
  let found: Buffer | undefined;
  for await (const bytes of requests) {
    if (found) throw new StatusError("invalidArgument", "cannot take a second request: the call has one");
    found = bytes;
  }
  if (!found) throw new StatusError("invalidArgument", "cannot answer the call: it came without a request");
  return decoded(input, found);
}
