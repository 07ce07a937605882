/** Every call that clients know, asked with what none of them would send. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { after, before, test } from "node:test";
import { Sandbox } from "@atoll/sdk";
import { useServer } from "../support/server.ts";
import { knownCalls } from "./calls.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-malformed");

const [unknown, unimplemented, internal] = ["2", "12", "13"];
/** After which answers that are held back are given up. */
const patienceMs = 2000;
const rounds = 2;

let sandbox: Sandbox;
before(async () => {
  sandbox = await Sandbox.create({ timeoutMs: 300_000 });
});
after(() => sandbox?.terminate());

interface Asked {
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

/** All at once over a connection of their own: a server ends one on which too much was given up. @returns their statuses */
async function askAll(asked: readonly Asked[], patienceMs: number): Promise<(string | undefined)[]> {
  const session = connect(String(process.env.ATOLL_URL));
  session.on("error", () => undefined);
  try {
    return await Promise.all(asked.map((one) => ask(session, one, patienceMs)));
  } finally {
    session.destroy();
  }
}

/** @returns the status it ends with, or undefined when it was given up or cut off */
function ask(session: ClientHttp2Session, { path, body, headers }: Asked, patienceMs: number) {
  return new Promise<string | undefined>((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      ...headers,
    });
    const give = (status: unknown) => status !== undefined && resolve(String(status));
    stream.on("response", (got) => give(got["grpc-status"])).on("trailers", (got) => give(got["grpc-status"]));
    stream.on("error", () => resolve(undefined)).on("close", () => resolve(undefined));
    stream.resume();
    setTimeout(() => stream.destroy(), patienceMs);
    stream.end(body);
  });
}

const framed = (message: Buffer) => Buffer.concat([Buffer.from([0]), uint32(message.length), message]);

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Fields of every wire type with numbers that messages have, so that many of them are read. */
function fields(ids: readonly string[]): Buffer {
  const count = Math.floor(Math.random() * 6);
  return Buffer.concat(Array.from({ length: count }, () => field(1 + Math.floor(Math.random() * 15), ids)));
}

function field(number: number, ids: readonly string[]): Buffer {
  const kind = Math.random();
  if (kind < 0.25) return Buffer.from([number << 3, 0xff, Math.floor(Math.random() * 128)]);
  if (kind < 0.35) return Buffer.concat([Buffer.from([(number << 3) | 5]), randomBytes(4)]);
  if (kind < 0.45) return Buffer.concat([Buffer.from([(number << 3) | 1]), randomBytes(8)]);
  const text = kind < 0.8 ? Buffer.from(ids[Math.floor(Math.random() * ids.length)] ?? "") : fields(ids);
  const short = text.subarray(0, 127);
  return Buffer.concat([Buffer.from([(number << 3) | 2, short.length]), short]);
}

test("no call is taken down by malformed, cut off, compressed, oversized or meaningless requests", async () => {
  await using client = await using("1");
  const token = { "x-modal-token-id": String(process.env.MODAL_TOKEN_ID) };
  const secret = { ...token, "x-modal-token-secret": String(process.env.MODAL_TOKEN_SECRET) };
  const theirs = await client.create();
  const seen = await client.modal.cpClient.sandboxGetCommandRouterAccess({ sandboxId: theirs.sandboxId });
  const task = { authorization: `Bearer ${seen.jwt}` };
  const key = theirs.sandboxId.slice(3, 25);
  const ids = [`sb-${key}`, `ta-${key}`, `ta-${key}V`, "main", "../..", "/etc/passwd", "-1", "\u0000", "9".repeat(40)];
  const headersOf = (service: string) => (service === "modal.client.ModalClient" ? secret : task);
  // Those that end the sandbox itself would end the test with it.
  const calls = knownCalls().filter(({ name }) => !/Terminate|Stop/.test(name));
  assert.ok(calls.length > 150);
  const wrong: string[] = [];
  let answered = 0;
  for (let round = 0; round < rounds; round += 1) {
    const asked = calls.flatMap(({ service, name }) =>
      [
        framed(randomBytes(40)),
        framed(fields(ids)),
        framed(fields(ids)),
        Buffer.concat([framed(fields(ids)), framed(fields(ids))]),
        framed(fields(ids)).subarray(0, 7),
        Buffer.concat([Buffer.from([1]), uint32(1), Buffer.from([0])]),
        Buffer.concat([Buffer.from([0]), uint32(0xffffffff), randomBytes(8)]),
        Buffer.alloc(0),
      ].map((body) => ({ path: `/${service}/${name}`, body, headers: headersOf(service) })),
    );
    for (let at = 0; at < asked.length; at += 400) {
      const batch = asked.slice(at, at + 400);
      const statuses = await askAll(batch, patienceMs);
      for (const [index, status] of statuses.entries()) {
        if (status !== undefined) answered += 1;
        if (status !== internal && status !== unknown) continue;
        wrong.push(`${batch[index]?.path} ${status} ${batch[index]?.body.toString("hex").slice(0, 200)}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(answered > calls.length * 4 * rounds, `${answered} answers`);
  const { ok } = await fetch(`${process.env.ATOLL_URL}/healthz`);
  assert.ok(ok);
  const echo = await theirs.exec(["echo", "well"]);
  assert.equal(await echo.stdout.readText(), "well\n");
  assert.equal((await sandbox.info()).state, "running");
});

test("every call that is not answered is in the documentation's list", async () => {
  await using client = await using("1");
  const token = { "x-modal-token-id": String(process.env.MODAL_TOKEN_ID) };
  const secret = { ...token, "x-modal-token-secret": String(process.env.MODAL_TOKEN_SECRET) };
  const theirs = await client.create();
  const { jwt } = await client.modal.cpClient.sandboxGetCommandRouterAccess({ sandboxId: theirs.sandboxId });
  const calls = knownCalls();
  const asked = calls.map(({ service, name }) => ({
    path: `/${service}/${name}`,
    body: framed(Buffer.alloc(0)),
    headers: service === "modal.client.ModalClient" ? secret : { authorization: `Bearer ${jwt}` },
  }));
  const statuses = await askAll(asked, 10_000);
  const unanswered = calls.flatMap(({ name }, index) => (statuses[index] === unimplemented ? [name] : []));
  const page = readFileSync(new URL("../../docs/modal-compatibility.md", import.meta.url), "utf8");
  const [, listed = ""] = /## Calls that are not answered\n([\s\S]*?)(\n## |$)/.exec(page) ?? [];
  const documented = [...listed.matchAll(/`(\w+\*?)`/g)].map(([, name = ""]) => name);
  const covers = (pattern: string, name: string) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  assert.deepEqual(
    unanswered.filter((name) => !documented.some((pattern) => covers(pattern, name))),
    [],
    "not answered and not listed",
  );
  assert.deepEqual(
    documented.filter((pattern) => !calls.some(({ name }) => covers(pattern, name))),
    [],
    "listed, and no call of the client",
  );
});
