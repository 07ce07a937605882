/** `fetch` by Node's HTTP client. Loaded in Node only. */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Answer, Fetch, FetchRequest } from "./fetch.ts";
import { sendBody } from "./node-send.ts";

const httpAgent = new HttpAgent({ keepAlive: true });
const httpsAgent = new HttpsAgent({ keepAlive: true });

export const nodeFetch: Fetch = (url, request) =>
  new Promise((resolve, reject) => {
    const sent = open(url, request);
    sent.once("response", (message: IncomingMessage) => {
      // An answer that comes before all was sent is final: what is left, and the connection it would go over, is of no more use.
      message.once("end", () => sent.writableFinished || sent.destroy());
      resolve(answer(message));
    });
    sent.on("error", reject);
    // Small requests wait for no others: Nagle's algorithm would hold the second of two packets back.
    sent.setNoDelay(true);
    if (request.body instanceof ReadableStream) void sendBody(sent, request.body);
    else sent.end(request.body ?? undefined);
  });

function open(url: string, { method, headers, signal }: FetchRequest): ClientRequest {
  const options = { method, headers, ...(signal && { signal }) };
  return url.startsWith("https:")
    ? httpsRequest(url, { ...options, agent: httpsAgent })
    : httpRequest(url, { ...options, agent: httpAgent });
}

function answer(message: IncomingMessage): Answer {
  const status = message.statusCode ?? 0;
  let body: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  return {
    status,
    ok: status >= 200 && status < 300,
    headers: { get: (name) => message.headers[name]?.toString() ?? null },
    text: () => textOf(message),
    get body() {
      body ??= streamOf(message);
      return body;
    },
  };
}

function textOf(message: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    message.setEncoding("utf8");
    message.on("data", (part) => {
      text += part;
    });
    message.once("end", () => resolve(text));
    message.once("error", reject);
  });
}

/** At most one piece of the socket waits to be read; then the socket is paused, and TCP holds the server back. */
function streamOf(message: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  // What was under way when the reader stopped still arrives.
  let isWanted = true;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      message.on("data", (piece: Buffer<ArrayBuffer>) => {
        if (isWanted) controller.enqueue(new Uint8Array(piece.buffer, piece.byteOffset, piece.length));
        if ((controller.desiredSize ?? 0) <= 0) message.pause();
      });
      message.once("end", () => isWanted && controller.close());
      message.once("error", (error) => controller.error(error));
    },
    pull: () => void message.resume(),
    cancel: () => {
      isWanted = false;
      message.destroy();
    },
  });
}
