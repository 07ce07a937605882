import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type WebSocket, WebSocketServer } from "ws";
import * as sdk from "../src/index.ts";
import { failWith, fakeServer, json, processId, processInfo, sandboxId } from "./fake-server.ts";

type Attached = (socket: WebSocket, offset: number) => void;

/** A terminal whose far end the test plays, one function for each connection. */
async function terminalServer(t: TestContext, ...connections: readonly Attached[]) {
  const server = await fakeServer(t, {
    getProcess: ({ response }) => json(response, 200, processInfo({ pty: { rows: 24, cols: 80 } })),
  });
  const offered: string[] = [];
  const sockets = new WebSocketServer({ server: server.http, handleProtocols: () => "atoll" });
  t.after(() => sockets.close());
  let next = 0;
  sockets.on("connection", (socket, request) => {
    offered.push(request.headers["sec-websocket-protocol"] ?? "");
    const { searchParams } = new URL(request.url ?? "", "http://localhost");
    connections[next++]?.(socket, Number(searchParams.get("offset")));
  });
  const process = new sdk.Process(server.client, sandboxId, processId);
  return { process, offered, connections: () => next };
}

const exited = JSON.stringify({ result: { kind: "exited", exitCode: 5 } });
const text = (stream: ReadableStream<Uint8Array>) => new Response(stream).text();

test("a terminal shows output, takes what is typed and its size, and ends with the result", async (t) => {
  const heard: (string | Buffer)[] = [];
  const { process, offered } = await terminalServer(t, (socket) => {
    socket.send(Buffer.from("$ "));
    socket.on("message", (data: Buffer, isBinary) => {
      heard.push(isBinary ? data : data.toString());
      if (heard.length < 3) return;
      socket.send(Buffer.from("bye"));
      socket.send(exited);
      socket.close();
    });
  });
  const terminal = await process.terminal();
  terminal.resize(30, 100);
  terminal.write("exit 5\n");
  terminal.write(new Uint8Array([4]));
  assert.equal(await text(terminal.output), "$ bye");
  assert.deepEqual(await terminal.result, { kind: "exited", exitCode: 5, returncode: 5 });
  assert.deepEqual(heard, ['{"resize":{"rows":30,"cols":100}}', Buffer.from("exit 5\n"), Buffer.from([4])]);
  assert.deepEqual(offered, ["atoll, bearer.a-token"]);
});

test("a broken terminal is continued at its byte", async (t) => {
  const log = Buffer.from("0123456789");
  const { process, connections } = await terminalServer(
    t,
    (socket) => {
      socket.send(log.subarray(0, 4));
      setTimeout(() => socket.terminate(), 20);
    },
    (socket, offset) => {
      assert.equal(offset, 4);
      socket.send(log.subarray(offset));
      socket.send(exited);
      socket.close();
    },
  );
  const terminal = await process.terminal();
  assert.equal(await text(terminal.output), "0123456789");
  assert.equal(connections(), 2);
});

test("unread output lets go of the connection instead of filling memory, and is all there when read", async (t) => {
  const log = Buffer.alloc(12 * 2 ** 20, "0123456789abcdef");
  const serve: Attached = (socket, offset) => {
    let at = offset;
    const send = () => {
      if (socket.readyState !== socket.OPEN) return;
      if (at >= log.length) {
        socket.send(exited);
        return socket.close();
      }
      const part = log.subarray(at, at + 65_536);
      at += part.length;
      socket.send(part, send);
    };
    send();
  };
  const { process, connections } = await terminalServer(t, ...Array.from({ length: 20 }, () => serve));
  const terminal = await process.terminal();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(connections(), 1);
  const bytes = Buffer.from(await new Response(terminal.output).arrayBuffer());
  assert.ok(bytes.equals(log));
  assert.ok(connections() > 1, "the connection was let go");
});

test("closing a terminal detaches and ends the wait for the result", async (t) => {
  const left = Promise.withResolvers<void>();
  const { process } = await terminalServer(t, (socket) => socket.on("close", left.resolve));
  const terminal = await process.terminal();
  terminal.close();
  await left.promise;
  await assert.rejects(terminal.result, sdk.AbortedError);
  await assert.rejects(text(terminal.output), sdk.AbortedError);
});

test("a terminal is left when its signal is aborted", async (t) => {
  const { process } = await terminalServer(t, () => undefined);
  const leaving = new AbortController();
  const terminal = await process.terminal({ signal: leaving.signal });
  leaving.abort();
  await assert.rejects(terminal.result, sdk.AbortedError);
});

test("attaching to a process that does not exist is a NotFoundError", async (t) => {
  const server = await fakeServer(t, { getProcess: failWith("not_found", 404) });
  await assert.rejects(new sdk.Process(server.client, sandboxId, processId).terminal(), sdk.NotFoundError);
});

test("attaching to a process without a terminal is an InvalidError", async (t) => {
  const server = await fakeServer(t, { getProcess: ({ response }) => json(response, 200, processInfo()) });
  await assert.rejects(new sdk.Process(server.client, sandboxId, processId).terminal(), sdk.InvalidError);
});

test("a server that hangs up at once again and again is given up", async (t) => {
  const hangUp: Attached = (socket) => socket.close(1011);
  const { process, connections } = await terminalServer(t, ...Array.from({ length: 50 }, () => hangUp));
  const terminal = await process.terminal();
  await assert.rejects(terminal.result, sdk.ConnectionError);
  assert.ok(connections() < 10);
});
