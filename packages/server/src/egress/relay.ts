/** Questions that are passed to name servers as they came, and answers that are passed back. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { withLength } from "./dns-message.ts";

const port = 53;
const tryMs = 3000;

/** @returns what the first server that answers says; undefined when none does */
export async function relay(
  message: Buffer,
  servers: readonly string[],
  protocol: "udp" | "tcp",
): Promise<Buffer | undefined> {
  const ask = protocol === "udp" ? askOverUdp : askOverTcp;
  for (const server of servers) {
    const answer = await ask(message, server, AbortSignal.timeout(tryMs)).catch(() => undefined);
    if (answer) return answer;
  }
  return undefined;
}

/** From a port of its own, and from the server alone: who guesses the number of a question answers nothing. */
async function askOverUdp(message: Buffer, server: string, signal: AbortSignal): Promise<Buffer> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, server);
    await once(socket, "connect", { signal });
    socket.send(message);
    for (;;) {
      const [answer] = (await once(socket, "message", { signal })) as [Buffer];
      if (answer.length >= 2 && answer.readUInt16BE(0) === message.readUInt16BE(0)) return answer;
    }
  } finally {
    socket.close();
  }
}

async function askOverTcp(message: Buffer, server: string, signal: AbortSignal): Promise<Buffer> {
  const socket = connect({ host: server, port, signal });
  try {
    socket.write(withLength(message));
    let pending = Buffer.alloc(0);
    for await (const bytes of socket as AsyncIterable<Buffer>) {
      pending = Buffer.concat([pending, bytes]);
      if (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0))
        return pending.subarray(2, 2 + pending.readUInt16BE(0));
    }
    throw new Error("cannot take an answer that ends early");
  } finally {
    socket.destroy();
  }
}
