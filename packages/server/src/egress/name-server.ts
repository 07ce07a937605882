/** DNS over UDP and TCP for sandboxes. */
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { egressPorts } from "../network/rules.ts";
import type { Question } from "./answers.ts";
import { type Answer, codes, decodeQuery, encodeAnswer, encodeRefusal, withLength } from "./dns-message.ts";
import { listening, untilFree } from "./listening.ts";

type Answerer = (address: string, question: Question) => Promise<Answer | Buffer>;

/** Of one sandbox; what it asks beyond is not answered, and asked again by whoever needs it. */
const questionsAtOnce = 64;
const connectionsAtOnce = 16;
const idleMs = 10_000;

export async function serveNames(answer: Answerer): Promise<void> {
  const asked = new Counts(questionsAtOnce);
  const respond: Respond = async (address, message, protocol) => {
    const query = decodeQuery(message);
    if (query === undefined || "refusal" in query) return query && encodeRefusal(query.id, query.refusal);
    if (!asked.take(address)) return undefined;
    try {
      const answered = await answer(address, { ...query, message, protocol });
      return Buffer.isBuffer(answered) ? answered : encodeAnswer(query, answered);
    } catch {
      return encodeAnswer(query, { code: codes.failed });
    } finally {
      asked.give(address);
    }
  };
  await Promise.all([serveDatagrams(respond), serveStreams(respond)]);
}

type Respond = (address: string, message: Buffer, protocol: Question["protocol"]) => Promise<Buffer | undefined>;

async function serveDatagrams(respond: Respond): Promise<void> {
  const socket = await boundSocket();
  socket.on("error", () => undefined); // such as an answer to a sandbox that has ended
  socket.on("message", async (message, { address, port: from }) => {
    const response = await respond(address, message, "udp");
    // Nobody is there to be told that it did not arrive.
    if (response) socket.send(response, from, address, () => undefined);
  });
}

/** A socket that could not be bound is of no further use. */
async function boundSocket(): Promise<DatagramSocket> {
  return untilFree(async () => {
    const socket = createSocket("udp4");
    socket.bind(egressPorts.names, "0.0.0.0");
    await once(socket, "listening");
    return socket;
  });
}

async function serveStreams(respond: Respond): Promise<void> {
  const connections = new Counts(connectionsAtOnce);
  const server = createServer((socket) => {
    const address = socket.remoteAddress ?? "";
    socket.on("error", () => socket.destroy());
    if (!connections.take(address)) return void socket.destroy();
    socket.once("close", () => connections.give(address));
    socket.setTimeout(idleMs, () => socket.destroy());
    void serveStream(socket, address, respond);
  });
  await listening(server, egressPorts.names);
}

/** One is answered before the next is read. */
async function serveStream(socket: Socket, address: string, respond: Respond): Promise<void> {
  let pending = Buffer.alloc(0);
  try {
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const length = pending.readUInt16BE(0);
        const response = await respond(address, pending.subarray(2, 2 + length), "tcp");
        pending = pending.subarray(2 + length);
        if (!response) return void socket.destroy();
        socket.write(withLength(response));
      }
    }
  } catch {
    socket.destroy(); // the client has gone
  }
}

/** How much of something each address has, up to a limit. */
class Counts {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(address: string): boolean {
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#limit) return false;
    this.#counts.set(address, count + 1);
    return true;
  }

  give(address: string): void {
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}
