/** The clock around what passes between this process and a service in a sandbox, directly or through a tunnel. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Socket, connect as tcpConnect } from "node:net";
import { createSecureContext, connect as tlsConnect } from "node:tls";
import { defaultClient, type Isolation, Sandbox } from "@atoll/sdk";

/** Opens a connection of its own at each call. */
export type Way = () => Promise<Socket>;

/** A port of the service, by the ways that lead to it. */
export interface Ways {
  readonly direct: Way;
  readonly tcp: Way;
  readonly tls: Way;
}

export interface Service extends AsyncDisposable {
  readonly sandbox: Sandbox;
  /** Sends back what it is sent. */
  readonly echo: Ways;
  /** Sends as many bytes as it is asked for, in a line of digits. */
  readonly source: Ways;
}

const [echoPort, sourcePort] = [9000, 9001];
const sandboxLimitMs = 3_600_000;

const program = `
import asyncio, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
block = bytes(256 * 1024)
async def echo(reader, writer):
    try:
        while data := await reader.read(65536): writer.write(data)
    except ConnectionError: pass
    writer.close()
async def source(reader, writer):
    try:
        left = int(await reader.readline())
        while left > 0:
            writer.write(block[:left]); left -= len(block); await writer.drain()
    except ConnectionError: pass
    writer.close()
async def main():
    servers = [await asyncio.start_server(act, "0.0.0.0", port, backlog=1024) for act, port in ((echo, ${echoPort}), (source, ${sourcePort}))]
    print(socket.gethostbyname(socket.gethostname()), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))
asyncio.run(main())
`;

export async function openService(isolation: Isolation): Promise<Service> {
  const unencryptedPorts = [echoPort, sourcePort];
  const options = { isolation, unencryptedPorts, timeoutMs: sandboxLimitMs };
  const sandbox = await Sandbox.create(["python3", "-c", program], options);
  let address = "";
  for await (const line of sandbox.stdout) {
    address = line.trim();
    break;
  }
  const { certificate: ca = "" } = await defaultClient().request("tunnelAuthority", {});
  const secureContext = createSecureContext({ ca });
  const tunnels = await sandbox.tunnels();
  const waysTo = (port: number): Ways => {
    const tunnel = tunnels[port];
    if (!tunnel) throw new Error(`cannot measure: port ${port} has no tunnel`);
    const [tcpHost, tcpPort] = tunnel.tcpSocket;
    return {
      direct: () => opened(tcpConnect({ host: address, port, noDelay: true }), "connect"),
      tcp: () => opened(tcpConnect({ host: tcpHost, port: tcpPort, noDelay: true }), "connect"),
      tls: () =>
        opened(
          tlsConnect({ host: "127.0.0.1", port: tunnel.port, servername: tunnel.host, secureContext }),
          "secureConnect",
        ),
    };
  };
  const dispose = () => sandbox[Symbol.asyncDispose]();
  return { sandbox, echo: waysTo(echoPort), source: waysTo(sourcePort), [Symbol.asyncDispose]: dispose };
}

async function opened(socket: Socket, event: string): Promise<Socket> {
  socket.setNoDelay(true);
  await once(socket, event);
  return socket;
}

/** Milliseconds until 64 bytes are back. */
export async function roundTrip(socket: Socket): Promise<number> {
  const began = performance.now();
  socket.write(Buffer.alloc(64, "x"));
  for (let left = 64; left > 0; ) {
    const [bytes] = await once(socket, "data");
    left -= bytes.length;
  }
  return performance.now() - began;
}

/** Milliseconds from connecting until 64 bytes are back. */
export async function firstRoundTrip(way: Way): Promise<number> {
  const began = performance.now();
  const socket = await way();
  await roundTrip(socket);
  socket.destroy();
  return performance.now() - began;
}

/** Megabytes a second. */
export async function throughput(way: Way, bytes: number): Promise<number> {
  const socket = await way();
  const began = performance.now();
  socket.write(`${bytes}\n`);
  let arrived = 0;
  socket.on("data", (chunk: Buffer) => {
    arrived += chunk.length;
  });
  await once(socket, "end");
  if (arrived !== bytes) throw new Error(`cannot measure: ${arrived} bytes arrived of ${bytes}`);
  return bytes / 1000 / (performance.now() - began);
}

/** Keeps connections at full speed from other processes, so that this one measures the server and not itself. */
export async function load(service: Service, connections: number, act: () => Promise<void>): Promise<void> {
  const tunnel = (await service.sandbox.tunnels())[sourcePort];
  if (!tunnel) throw new Error(`cannot measure: port ${sourcePort} has no tunnel`);
  const argv = ["s_client", "-quiet", "-connect", `127.0.0.1:${tunnel.port}`, "-servername", tunnel.host];
  const clients = Array.from({ length: connections }, () =>
    spawn("openssl", argv, { stdio: ["pipe", "ignore", "ignore"] }),
  );
  try {
    for (const { stdin } of clients) stdin.write(`${Number.MAX_SAFE_INTEGER}\n`);
    await act();
    if (clients.some(({ exitCode }) => exitCode !== null)) throw new Error("cannot measure: the load ended early");
  } finally {
    await Promise.all(
      clients.map(async (client) => {
        client.kill();
        await once(client, "close");
      }),
    );
  }
}
