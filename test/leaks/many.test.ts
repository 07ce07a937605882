import assert from "node:assert/strict";
import { test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { daemon, levelOf } from "../support/daemon.ts";
import { authorityOf, get } from "../tunnels/client.ts";
import { quietSnapshot, settledDifference } from "./machine.ts";

const count = Number(process.env.ATOLL_MANY || 500);
const atOnce = 8;
/** A user-space kernel for each of them takes more memory than the machines that run this have. */
const gvisorEvery = 25;
/** In a language of the base image that starts in milliseconds. */
const service = `
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "0.0.0.0:8000", Listen => 16) or die;
while (my $client = $server->accept) {
    while (<$client>) { last if /^\\r?$/ }
    print $client "HTTP/1.1 200 OK\\r\\ncontent-length: $ENV{LENGTH}\\r\\nconnection: close\\r\\n\\r\\n", "x" x $ENV{LENGTH};
    close $client;
}`;

test(`${count} sandboxes at once each have a policy and a tunnel of their own, and leave nothing behind`, async (t) => {
  const server = await daemon(t);
  const { client } = server;
  const ca = await authorityOf(client);
  const create = (index: number) =>
    Sandbox.create(["perl", "-e", service], {
      client,
      isolation: levelOf(index, gvisorEvery),
      env: { LENGTH: String(index) },
      encryptedPorts: [8000],
      outboundCidrAllowlist: [`198.18.${index % 256}.0/24`],
      memoryBytes: 128 * 1024 ** 2,
      timeoutMs: 1_200_000,
    });
  const answers = async (sandbox: Sandbox, index: number) => {
    const { text } = await get(ca, (await sandbox.tunnels())[8000]?.url ?? "");
    assert.equal(text.length, index, text.slice(0, 200));
  };
  // What the first ones make stays for all.
  const first = await Promise.all([create(0), create(1)]);
  await Promise.all(first.map(answers));
  await Promise.all(first.map((sandbox) => sandbox.terminate()));
  const before = await quietSnapshot(server.watched);
  const indices = Array.from({ length: count }, (_, index) => index);
  const began = performance.now();
  const sandboxes = await each(indices, create);
  t.diagnostic(`${((1000 * count) / (performance.now() - began)).toFixed(1)} creations a second`);
  await each(sandboxes, (sandbox) => sandbox.updateNetworkPolicy({ outboundCidrAllowlist: ["203.0.113.0/24"] }));
  await each(sandboxes, answers);
  await each(sandboxes, (sandbox) => sandbox.terminate());
  assert.deepEqual(await settledDifference(before, server.watched, 60_000), {});
  assert.deepEqual(await server.gc(), []);
});

/** Not more than a few at once. @returns what each came to, in order */
async function each<Item, Result>(
  items: readonly Item[],
  act: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const entries = items.entries();
  const workers = Array.from({ length: atOnce }, async () => {
    for (const [index, item] of entries) results[index] = await act(item, index);
  });
  await Promise.all(workers);
  return results;
}
