import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { errorKinds } from "@atoll/protocol";
import * as sdk from "../src/index.ts";
import {
  type Answer,
  drop,
  failWith,
  fakeServer,
  inTurn,
  json,
  processId,
  sandboxId,
  sandboxInfo,
} from "./fake-server.ts";

const { AtollError, Client, ConnectionError, InvalidError, Sandbox, ServerError } = sdk;

const expectedClasses: { [code in keyof typeof errorKinds]: unknown } = {
  invalid_argument: sdk.InvalidError,
  unauthenticated: sdk.AuthenticationError,
  not_found: sdk.NotFoundError,
  method_not_allowed: sdk.InvalidError,
  conflict: sdk.ConflictError,
  idempotency_mismatch: sdk.ConflictError,
  sandbox_finished: sdk.ConflictError,
  process_finished: sdk.ConflictError,
  offset_out_of_range: sdk.InvalidError,
  payload_too_large: sdk.InvalidError,
  capacity: sdk.CapacityError,
  isolation_unavailable: sdk.UnsupportedError,
  gpu_unavailable: sdk.UnsupportedError,
  unsupported: sdk.UnsupportedError,
  build_failed: sdk.ImageBuildError,
  failed_to_start: sdk.FailedToStartError,
  file_not_found: sdk.SandboxFilesystemNotFoundError,
  is_a_directory: sdk.SandboxFilesystemIsADirectoryError,
  not_a_directory: sdk.SandboxFilesystemNotADirectoryError,
  file_exists: sdk.SandboxFilesystemPathAlreadyExistsError,
  permission_denied: sdk.SandboxFilesystemPermissionError,
  not_empty: sdk.SandboxFilesystemDirectoryNotEmptyError,
  no_space: sdk.SandboxFilesystemNoSpaceError,
  read_only: sdk.SandboxFilesystemReadOnlyError,
  filesystem_error: sdk.SandboxFilesystemError,
  timeout: sdk.TimeoutError,
  unavailable: sdk.ConnectionError,
  internal: sdk.ServerError,
};

for (const [code, { status }] of Object.entries(errorKinds)) {
  test(`an answer with the code ${code} becomes its error class with every field`, async (t) => {
    const server = await fakeServer(t, { getSandbox: failWith(code, status) });
    const client = server.clientWith({ retryForMs: 0 });
    const error = await Sandbox.fromId(sandboxId, { client }).catch((thrown) => thrown);
    assert.ok(error instanceof AtollError);
    assert.equal(error.constructor, expectedClasses[code as keyof typeof errorKinds]);
    assert.deepEqual(
      { code: error.code, status: error.status, hint: error.hint, requestId: error.requestId, message: error.message },
      { code, status, hint: `what to do about ${code}`, requestId: `req-${code}`, message: `cannot do it: ${code}` },
    );
  });
}

test("an error page that is not Atoll's is a ServerError that quotes it", async (t) => {
  const server = await fakeServer(t, {
    status: ({ response }) => void response.writeHead(502).end("<h1>Bad gateway</h1>"),
  });
  await assert.rejects(server.client.request("status", {}), (error) => {
    assert.ok(error instanceof ServerError);
    assert.equal(error.code, "unexpected_response");
    assert.equal(error.status, 502);
    assert.match(error.message, /Bad gateway/);
    return true;
  });
});

test("a create whose answer is lost is sent again with the same Idempotency-Key", async (t) => {
  const cutShort: Answer = ({ response }) => {
    response.writeHead(201, { "content-type": "application/json", "content-length": 1000 });
    response.write('{"id":"sb-');
    setTimeout(() => response.socket?.destroy(), 5);
  };
  const made: Answer = ({ response }) => json(response, 201, sandboxInfo());
  const server = await fakeServer(t, { createSandbox: inTurn(drop, cutShort, made) });
  const sandbox = await Sandbox.create("true", { client: server.client });
  assert.equal(sandbox.id, sandboxId);
  const keys = server.received.map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.match(keys[0] as string, /^[0-9a-f]{32}$/);
  assert.deepEqual(new Set(keys).size, 1);
});

test("two creates have different Idempotency-Keys", async (t) => {
  const server = await fakeServer(t, { createSandbox: ({ response }) => json(response, 201, sandboxInfo()) });
  await Sandbox.create("true", { client: server.client });
  await Sandbox.create("true", { client: server.client });
  const [first, second] = server.received.map(({ headers }) => headers["idempotency-key"]);
  assert.notEqual(first, second);
});

test("a server that is starting is asked again", async (t) => {
  const server = await fakeServer(t, {
    getSandbox: inTurn(failWith("unavailable", 503), failWith("unavailable", 503), ({ response }) =>
      json(response, 200, sandboxInfo()),
    ),
  });
  assert.equal((await Sandbox.fromId(sandboxId, { client: server.client })).id, sandboxId);
  assert.equal(server.received.length, 3);
});

test("a signal is not sent twice when its answer is lost", async (t) => {
  const server = await fakeServer(t, {
    getSandbox: ({ response }) => json(response, 200, sandboxInfo()),
    signalProcess: drop,
  });
  const sandbox = await Sandbox.fromId(sandboxId, { client: server.client });
  await assert.rejects(sandbox.process(processId).kill("SIGTERM"), ConnectionError);
  assert.equal(server.received.filter(({ operation }) => operation === "signalProcess").length, 1);
});

test("an error that is not the connection's is not tried again", async (t) => {
  const server = await fakeServer(t, { createSandbox: failWith("capacity", 429) });
  await assert.rejects(Sandbox.create("true", { client: server.client }), sdk.CapacityError);
  assert.equal(server.received.length, 1);
});

test("requests carry the token, and an id with slashes stays one part of the path", async (t) => {
  const server = await fakeServer(t, { getSandbox: failWith("not_found", 404) });
  await assert.rejects(Sandbox.fromId("../../v1/tokens?x=1", { client: server.client }), sdk.NotFoundError);
  assert.equal(server.received[0]?.headers.authorization, "Bearer a-token");
  assert.equal(server.received[0]?.params.sandboxId, "../../v1/tokens?x=1");
});

test("an aborted signal ends a request with AbortedError and the signal's reason as cause", async (t) => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const server = await fakeServer(t, {
    waitSandbox: () => controller.abort(reason),
    getSandbox: ({ response }) => json(response, 200, sandboxInfo()),
  });
  const sandbox = await Sandbox.fromId(sandboxId, { client: server.client });
  await assert.rejects(sandbox.wait({ signal: controller.signal }), (error) => {
    assert.ok(error instanceof sdk.AbortedError);
    assert.equal(error.cause, reason);
    return true;
  });
  assert.equal(server.received.length, 2);
});

test("a signal from AbortSignal.timeout ends a request with TimeoutError", async (t) => {
  const server = await fakeServer(t, { status: () => undefined });
  await assert.rejects(server.client.request("status", { signal: AbortSignal.timeout(20) }), sdk.TimeoutError);
});

test("a signal that is already aborted sends nothing", async (t) => {
  const server = await fakeServer(t, {});
  await assert.rejects(server.client.request("status", { signal: AbortSignal.abort() }), sdk.AbortedError);
  assert.equal(server.received.length, 0);
});

test("an address where nothing listens is a ConnectionError that names it", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const client = new Client({ baseUrl: `http://127.0.0.1:${port}`, retryForMs: 0 });
  await assert.rejects(client.request("status", {}), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.code, "connection_failed");
    assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*ECONNREFUSED`));
    return true;
  });
});

test("an address that is not one is an InvalidError", () => {
  for (const baseUrl of ["localhost:7070", "file:///etc/passwd", "http://"]) {
    assert.throws(() => new Client({ baseUrl }), InvalidError, baseUrl);
  }
});

test("a slash at the end of the address does no harm", async (t) => {
  const server = await fakeServer(t, { health: ({ response }) => json(response, 200, { ok: true, version: "1" }) });
  const client = new Client({ baseUrl: `${server.url}/` });
  assert.deepEqual(await client.request("health", {}), { ok: true, version: "1" });
});

test("every exported error class is an AtollError", () => {
  const errors = Object.entries(sdk).filter(([name]) => name.endsWith("Error"));
  assert.ok(errors.length > 10);
  for (const [name, value] of errors) {
    assert.ok(value === AtollError || (value as { prototype: unknown }).prototype instanceof AtollError, name);
  }
});
