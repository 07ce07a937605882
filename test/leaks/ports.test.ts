import assert from "node:assert/strict";
import { type Socket, connect as tcpConnect } from "node:net";
import { test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, levelOf, until } from "../support/daemon.ts";
import { authorityOf, get, open } from "../tunnels/client.ts";
import { quietSnapshot, settledDifference } from "./machine.ts";

const count = 24;
const gvisorEvery = 6;
const service = ["python3", "-m", "http.server", "8000", "--bind", "0.0.0.0"];

test(`${count} sandboxes with ports, ended under open connections, leave no port, connection or label behind`, async (t) => {
  const server = await daemon(t);
  const ca = await authorityOf(server.client);
  // What the first ones make stays for all: the gateway, its port and the pools.
  await use(server, ca, gvisorEvery);
  const before = await quietSnapshot(server.watched);
  const urls = await use(server, ca, count);
  assert.deepEqual(await settledDifference(before, server.watched), {});
  for (const url of urls) assert.equal((await get(ca, url)).status, 404);
  await until("no connection is counted", async () => {
    const headers = { authorization: `Bearer ${server.token}` };
    const text = await (await fetch(`${server.url}/metrics`, { headers })).text();
    return /^atoll_tunnel_connections 0$/m.test(text);
  });
  assert.deepEqual(await server.gc(), []);
});

/** @returns where their tunnels were */
async function use({ client }: Daemon, ca: string, sandboxes: number): Promise<string[]> {
  const urls: string[] = [];
  for (let index = 0; index < sandboxes; index += 1) {
    const isolation = levelOf(index, gvisorEvery);
    const ports = { encryptedPorts: [7000, 8000], h2Ports: [8443], unencryptedPorts: [9000] };
    const sandbox = await Sandbox.create(service, { client, isolation, ...ports });
    const tunnels = await sandbox.tunnels();
    const door = await sandbox.createConnectToken({ port: 8000 });
    const [web, plain] = [tunnels[8000], tunnels[9000]];
    if (!(web && plain)) throw new Error("every port has a tunnel");
    await until("it answers", async () => (await get(ca, web.url)).status === 200);
    assert.equal((await get(ca, door.url, { authorization: `Bearer ${door.token}` })).status, 200);
    const sockets: Socket[] = [await open(ca, web), await open(ca, plain)];
    const [host, port] = plain.tcpSocket;
    sockets.push(tcpConnect({ host, port }));
    for (const socket of sockets) socket.on("error", () => socket.destroy()).resume();
    // How it ends, by a reset or not, depends on what was under way.
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    await sandbox.terminate();
    await Promise.all(closed);
    urls.push(web.url, door.url);
  }
  return urls;
}
