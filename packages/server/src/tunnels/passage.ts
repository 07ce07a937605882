/** Carries bytes between a client and a port of a sandbox. */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const connectLimitMs = 5000;
/** How long a service that is just starting is waited for. */
const patienceMs = 2000;
const pauseMs = 100;

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** @throws Error when nothing listens */
export async function reach({ address, port }: Target, isPatient: boolean, signal: AbortSignal): Promise<Socket> {
  for (const until = Date.now() + (isPatient ? patienceMs : 0); ; await sleep(pauseMs, undefined, { signal })) {
    try {
      return await connected(address, port, signal);
    } catch (error) {
      if (signal.aborted || Date.now() >= until) throw error;
    }
  }
}

function connected(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, keepAlive: true });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(connectLimitMs)]);
    const give = () => socket.destroy(new Error("cannot reach the port in time"));
    limit.addEventListener("abort", give, { once: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      limit.removeEventListener("abort", give);
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

/** Each side is read only as fast as the other takes it; each may end its half before the other. */
export function pass(client: Duplex, service: Duplex): void {
  for (const [one, other] of [
    [client, service],
    [service, client],
  ] as const) {
    one.pipe(other);
    one.on("error", () => other.destroy());
    one.on("close", () => {
      if (!one.readableEnded) other.destroy();
    });
  }
  if (client.destroyed) service.destroy();
}

/** The first bytes a client sends, put back so that they are read again; undefined when it sends none in time. */
export async function firstBytes(client: Duplex, limitMs: number): Promise<Buffer | undefined> {
  const limit = AbortSignal.timeout(limitMs);
  return new Promise((resolve) => {
    const done = (bytes: Buffer | undefined) => {
      client.off("readable", look);
      client.off("close", gone);
      limit.removeEventListener("abort", gone);
      resolve(bytes);
    };
    const gone = () => done(undefined);
    const look = () => {
      const bytes: Buffer | null = client.read();
      if (bytes === null) return;
      client.unshift(bytes);
      done(bytes);
    };
    client.on("readable", look);
    client.once("close", gone);
    limit.addEventListener("abort", gone, { once: true });
    look();
  });
}
