import { once } from "node:events";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { Logger } from "pino";
import { type Call, timeoutMsOf } from "./call.ts";
import { framed, messagesOf } from "./messages.ts";
import type { Rpc } from "./rpc.ts";
import { encodedMessage, type GrpcStatus, grpcCodes, isDefect, StatusError, statusOf } from "./status.ts";

export interface AnswerOptions {
  /** @throws StatusError, AtollError when there is no such call, or not for this caller */
  find(path: string, call: Call): (requests: AsyncGenerator<Buffer>) => ReturnType<Rpc>;
  readonly log: Logger;
  /** Aborted when the server stops: waits end, and clients come back to the next server. */
  readonly stopping: AbortSignal;
}

const contentType = "application/grpc";

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(\+proto)?(;|$)/.test(headers["content-type"] ?? "");
}

/** Answers one call. Never rejects: a failure is the status that the call ends with. */
export async function answerCall(
  stream: ServerHttp2Stream,
  metadata: IncomingHttpHeaders,
  options: AnswerOptions,
): Promise<void> {
  const answer = new Answer(stream);
  const path = metadata[":path"] ?? "";
  try {
    await run(answer, path, metadata, options);
    answer.end({ code: grpcCodes.ok, message: "" });
  } catch (error) {
    if (answer.isGone) return;
    const told = options.stopping.aborted && isDefect(error) ? stopped() : error;
    options.log[isDefect(told) ? "error" : "debug"]({ path, err: error }, "cannot answer a call");
    answer.end(statusOf(told));
  }
}

async function run(
  answer: Answer,
  path: string,
  metadata: IncomingHttpHeaders,
  { find, stopping }: AnswerOptions,
): Promise<void> {
  using deadline = new Deadline(timeoutMsOf(metadata["grpc-timeout"]));
  const signal = AbortSignal.any([answer.gone, stopping, deadline.signal]);
  const call = { metadata, signal, isEncrypted: answer.isEncrypted };
  const rpc = find(path, call);
  for await (const message of rpc(messagesOf(answer.stream, signal))) await answer.send(message, signal);
}

/** The caller has usually given up by then, and is not there to read the answer. */
class Deadline {
  readonly #passed = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number | undefined) {
    const reason = new StatusError("deadlineExceeded", "cannot finish the call: its deadline has passed");
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#passed.abort(reason), timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#passed.signal;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** Messages, and then a status: in trailers, or together with the head when there were no messages. */
class Answer {
  readonly stream: ServerHttp2Stream;
  readonly #gone = new AbortController();
  #status: Readonly<Record<string, string>> = {};

  constructor(stream: ServerHttp2Stream) {
    this.stream = stream;
    const leave = () => this.#gone.abort(new Error("the client went away"));
    stream.once("close", leave);
    stream.on("error", leave);
  }

  /** Aborted when the client goes away. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get isGone(): boolean {
    return this.stream.closed || this.stream.destroyed;
  }

  get isEncrypted(): boolean {
    return this.stream.session?.encrypted === true;
  }

  /** At the client's pace. */
  async send(message: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.stream.headersSent) {
      this.stream.once("wantTrailers", () => this.stream.sendTrailers(this.#status));
      this.stream.respond({ ":status": 200, "content-type": contentType }, { waitForTrailers: true });
    }
    if (!this.stream.write(framed(message))) await once(this.stream, "drain", { signal });
  }

  end({ code, message }: GrpcStatus): void {
    if (this.isGone) return;
    this.#status = { "grpc-status": String(code), ...(message !== "" && { "grpc-message": encodedMessage(message) }) };
    if (this.stream.headersSent) this.stream.end();
    else {
      const head = { ":status": 200, "content-type": contentType, ...this.#status };
      this.stream.respond(head, { endStream: true });
    }
    // What else the client sends is dropped; it stops when it has read the status.
    this.stream.resume();
  }
}

function stopped(): StatusError {
  return new StatusError("unavailable", "cannot answer: the server is stopping");
}
