import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorBody, Process } from "@atoll/protocol";
import { WebSocket } from "ws";
import { testServer } from "../support/server.ts";

test("output arrives while the process runs, from any offset, and says where it begins", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.shell("echo one; read line; echo two");
  const response = await client.output(id, "main", "?offset=1");
  assert.equal(response.headers.get("atoll-offset"), "1");
  const reader = response.body?.getReader();
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "ne\n");
  await client.stdin(id, "main", "?offset=0", "go\n");
  assert.equal(Buffer.from((await reader?.read())?.value ?? []).toString(), "two\n");
  assert.equal((await reader?.read())?.done, true);
});

test("the headers of a stream come before its first byte", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sleep", "1000"] });
  const abort = new AbortController();
  const path = `/v1/sandboxes/${id}/processes/main/output/stdout`;
  const response = await client.fetch(path, { signal: abort.signal });
  assert.equal(response.status, 200);
  abort.abort();
});

test("a reader that does not follow gets what there is, and an offset beyond an ended stream is out of range", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.shell("echo one");
  await client.wait(id);
  assert.equal(await client.text(id, "main", "?follow=false&offset=2"), "e\n");
  assert.equal(await client.text(id, "main", "?offset=4"), "");
  const response = await client.output(id, "main", "?offset=5");
  assert.equal(response.status, 416);
  assert.equal(((await response.json()) as ErrorBody).error.code, "offset_out_of_range");
});

test("one reader that does not read holds up neither the process nor another reader", async (t) => {
  const { client } = await testServer(t);
  const bytes = 64 * 1024 * 1024;
  const { id } = await client.shell(`head -c ${bytes} /dev/zero`);
  const slow = request(`${client.url}/v1/sandboxes/${id}/processes/main/output/stdout`, {
    headers: { authorization: `Bearer ${client.token}` },
  }).end();
  const [response] = await once(slow, "response");
  response.pause();
  let seen = 0;
  for await (const piece of (await client.output(id, "main")).body ?? []) seen += piece.length;
  assert.equal(seen, bytes);
  assert.equal((await client.wait(id)).result?.exitCode, 0);
  slow.destroy();
});

test("large input comes out as it went in, at the pace of the process that reads it", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["cat"] });
  const input = Buffer.alloc(3_000_000, "0123456789abcdef!");
  const response = await client.stdin(id, "main", "?offset=0&eof=true", input);
  assert.deepEqual(await response.json(), { offset: input.length });
  assert.ok(Buffer.from(await (await client.output(id, "main")).arrayBuffer()).equals(input));
});

test("input that is repeated is not doubled, and a gap is refused", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["cat"] });
  for (const [query, body] of [
    ["?offset=0", "abc"],
    ["?offset=0", "abc"],
    ["?offset=1", "bcd"],
    ["", "e"],
  ] as const) {
    assert.equal((await client.stdin(id, "main", query, body)).status, 200);
  }
  assert.equal((await client.stdin(id, "main", "?offset=9", "x")).status, 416);
  await client.stdin(id, "main", "?offset=5&eof=true", "");
  assert.equal(await client.text(id), "abcde");
});

test("input for a process that is finished, or was started without stdin, is refused", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create();
  const exec = async (body: object) => (await client.ok<Process>("POST", `/v1/sandboxes/${id}/processes`, body)).id;
  const finished = await exec({ argv: ["true"] });
  await client.waitProcess(id, finished);
  assert.equal((await client.stdin(id, finished, "?offset=0", "x")).status, 409);
  const closed = await exec({ argv: ["cat"], stdin: false });
  assert.equal((await client.stdin(id, closed, "?offset=0", "x")).status, 409);
  assert.equal((await client.waitProcess(id, closed)).result?.exitCode, 0);
});

test("a wait answers with the present state when its time is over", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sleep", "1000"] });
  const sandbox = await client.ok<{ state: string }>("GET", `/v1/sandboxes/${id}/wait?timeoutMs=0`);
  assert.equal(sandbox.state, "running");
  const main = await client.ok<{ state: string }>("GET", `/v1/sandboxes/${id}/processes/main/wait?timeoutMs=20`);
  assert.equal(main.state, "running");
});

for (const [name, headers] of [
  ["a Host of another name", { host: "evil.example" }],
  ["a Host that only begins like loopback", { host: "127.0.0.1.evil.example" }],
  ["an Origin of another site", { origin: "https://evil.example" }],
  ["an opaque Origin", { origin: "null" }],
] as const) {
  test(`on loopback a request with ${name} is refused, even of a public route`, async (t) => {
    const { client } = await testServer(t);
    const asked = request(`${client.url}/healthz`, { headers }).end();
    const [response] = await once(asked, "response");
    assert.equal(response.statusCode, 400);
    response.destroy();
  });
}

test("requests for names of loopback are answered", async (t) => {
  const { client } = await testServer(t);
  for (const headers of [
    { host: "localhost:1" },
    { host: "[::1]:1" },
    { host: "127.0.0.1", origin: "http://localhost:3000" },
  ]) {
    const asked = request(`${client.url}/healthz`, { headers }).end();
    const [response] = await once(asked, "response");
    assert.equal(response.statusCode, 200);
    response.destroy();
  }
});

interface Terminal {
  readonly socket: WebSocket;
  output: string;
  result: unknown;
  readonly closed: Promise<number>;
  until(text: string): Promise<void>;
}

function openTerminal(url: string, protocols: string[]): Terminal {
  const socket = new WebSocket(url.replace("http", "ws"), protocols);
  const terminal: Terminal = {
    socket,
    output: "",
    result: undefined,
    closed: once(socket, "close").then(([code]) => code),
    until: async (text) => {
      while (!terminal.output.includes(text)) await sleep(5);
    },
  };
  socket.on("message", (data, isBinary) => {
    if (isBinary) terminal.output += String(data);
    else terminal.result = JSON.parse(String(data)).result;
  });
  return terminal;
}

test("a terminal shows output, takes input and sizes, and ends with the result", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sh"], pty: { rows: 24, cols: 80 } });
  const path = `${client.url}/v1/sandboxes/${id}/processes/main/terminal`;
  const terminal = openTerminal(path, ["atoll", `bearer.${client.token}`]);
  await once(terminal.socket, "open");
  assert.equal(terminal.socket.protocol, "atoll");
  terminal.socket.send(Buffer.from("stty size; echo $TERM\n"));
  await terminal.until("24 80");
  await terminal.until("xterm-256color");
  terminal.socket.send(JSON.stringify({ resize: { rows: 50, cols: 132 } }));
  terminal.socket.send(Buffer.from("stty size\n"));
  await terminal.until("50 132");
  terminal.socket.send(Buffer.from("exit 5\n"));
  assert.equal(await terminal.closed, 1000);
  assert.deepEqual(terminal.result, { kind: "exited", exitCode: 5 });
  const late = openTerminal(`${path}?offset=${terminal.output.length - 4}`, ["atoll", `bearer.${client.token}`]);
  assert.equal(await late.closed, 1000);
  assert.equal(late.output, terminal.output.slice(-4));
});

test("a terminal is refused without a token, for a process without one, and for what does not exist", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create();
  const refusal = async (path: string, token: string) => {
    const socket = new WebSocket(client.url.replace("http", "ws") + path, ["atoll", `bearer.${token}`]);
    const [, response] = await once(socket, "unexpected-response");
    socket.on("error", () => undefined);
    let text = "";
    for await (const piece of response) text += piece;
    return [response.statusCode, JSON.parse(text).error.code];
  };
  const terminal = `/v1/sandboxes/${id}/processes/main/terminal`;
  assert.deepEqual(await refusal(terminal, "wrong"), [401, "unauthenticated"]);
  assert.deepEqual(await refusal(terminal, client.token), [400, "invalid_argument"]);
  assert.deepEqual(await refusal("/v1/sandboxes/none/processes/main/terminal", client.token), [404, "not_found"]);
  assert.deepEqual(await refusal("/v1/status", client.token), [404, "not_found"]);
});

test("a message that is no size ends the connection, not the process", async (t) => {
  const { client } = await testServer(t);
  const { id } = await client.create({ command: ["sh"], pty: { rows: 24, cols: 80 } });
  for (const message of ["text", "{}", '{"resize":{"rows":0,"cols":1}}', '{"resize":{"rows":"1","cols":1}}']) {
    const terminal = openTerminal(`${client.url}/v1/sandboxes/${id}/processes/main/terminal`, [
      "atoll",
      `bearer.${client.token}`,
    ]);
    await once(terminal.socket, "open");
    terminal.socket.send(message);
    assert.equal(await terminal.closed, 1008);
  }
  assert.equal((await client.ok<Process>("GET", `/v1/sandboxes/${id}/processes/main`)).state, "running");
});
