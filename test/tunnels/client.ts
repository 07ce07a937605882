/** Clients of tunnels: they trust the server's authority alone, and find `*.localhost` without the machine's help. */
import { once } from "node:events";
import { request as requestOf } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import type { Client, Tunnel } from "@atoll/sdk";

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

export async function authorityOf(client: Client): Promise<string> {
  const { certificate } = await client.request("tunnelAuthority", {});
  if (certificate === undefined) throw new Error("the server under test signs for itself");
  return certificate;
}

export async function get(ca: string, url: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const options = {
    ca,
    host: "127.0.0.1",
    port,
    servername: hostname,
    agent: false,
    headers: { host: hostname, ...headers },
  };
  const { pathname, search } = new URL(url);
  const request = requestOf({ ...options, path: pathname + search, signal: AbortSignal.timeout(60_000) }).end();
  const [response] = await once(request, "response");
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return { status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() };
}

export async function open(
  ca: string,
  tunnel: Pick<Tunnel, "host" | "port">,
  ALPNProtocols?: string[],
): Promise<TLSSocket> {
  const { host, port } = tunnel;
  const protocols = ALPNProtocols ? { ALPNProtocols } : {};
  const socket = connect({ host: "127.0.0.1", port, servername: host, ca, ...protocols });
  socket.on("error", () => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}
