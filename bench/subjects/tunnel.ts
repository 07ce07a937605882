import type { Socket } from "node:net";
import { defaultClient } from "@atoll/sdk";
import type { Bench } from "../bench.ts";
import { firstRoundTrip, load, openService, roundTrip, type Service, throughput, type Way } from "../tunnelled.ts";

export const about = "round trips and throughput through tunnels, alone, beside 2,000 open connections and under load";

const idleConnections = 2000;
const busyConnections = 4;
const openedAtOnce = 50;
const floodBytes = 64 * 1024 ** 2;

export async function measure(bench: Bench): Promise<void> {
  for (const level of bench.levels) {
    await using service = await openService(level);
    const { direct, tcp, tls } = service.source;
    await bench.compare(
      `throughput, ${level}`,
      "MB/s",
      {
        "direct connection": () => throughput(direct, floodBytes),
        "plain tunnel": () => throughput(tcp, floodBytes),
        "TLS tunnel": () => throughput(tls, floodBytes),
      },
      { rounds: Math.max(3, bench.rounds / 20) },
    );
    await roundTrips(bench, `alone, ${level}`, service);
    const idle = await open(service.echo.tls, idleConnections);
    await roundTrips(bench, `beside ${idleConnections} open connections, ${level}`, service);
    for (const socket of idle) socket.destroy();
    await load(service, busyConnections, () =>
      roundTrips(bench, `beside ${busyConnections} connections at full speed, ${level}`, service),
    );
  }
}

async function roundTrips(bench: Bench, when: string, { echo, sandbox }: Service): Promise<void> {
  const [direct, tcp, tls] = await Promise.all([echo.direct(), echo.tcp(), echo.tls()]);
  const client = defaultClient();
  await bench.compare(`round trip, ${when}`, "ms", {
    "direct connection": () => roundTrip(direct),
    "plain tunnel": () => roundTrip(tcp),
    "TLS tunnel": () => roundTrip(tls),
    "TLS tunnel, connecting": () => firstRoundTrip(echo.tls),
    "API request": async () => {
      const began = performance.now();
      await client.request("getSandbox", { params: { sandboxId: sandbox.id } });
      return performance.now() - began;
    },
  });
  for (const socket of [direct, tcp, tls]) socket.destroy();
}

async function open(way: Way, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: openedAtOnce }, () => way()))));
  return sockets;
}
