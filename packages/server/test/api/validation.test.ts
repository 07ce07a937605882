import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { type ErrorBody, errorKinds, type Route, routes } from "@atoll/protocol";
import type { TestClient } from "../support/client.ts";
import { testServer } from "../support/server.ts";

let client: TestClient;
const cleanups: (() => unknown)[] = [];

before(async () => {
  const context = { after: (cleanup: () => unknown) => cleanups.unshift(cleanup) } as unknown as TestContext;
  client = (await testServer(context)).client;
});

after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

/** A path of the route with values that fit, for things that do not exist. */
function pathOf(route: Route): string {
  const values: Record<string, string> = {
    sandboxId: "sb-0000000000000000000000",
    processId: "main",
    stream: "stdout",
  };
  return route.path.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "something");
}

function assertShape(status: number, headers: Headers, body: ErrorBody, code: keyof typeof errorKinds): void {
  assert.equal(body.error?.code, code, JSON.stringify(body));
  assert.equal(status, errorKinds[code].status);
  assert.match(body.error.message, /^cannot /);
  assert.ok(body.error.hint);
  assert.equal(body.error.requestId, headers.get("x-request-id"));
}

for (const [name, route] of Object.entries<Route>(routes)) {
  const needsToken = !route.isPublic && route.response !== "websocket";
  if (needsToken) {
    test(`${name} is refused without a valid token`, async () => {
      for (const authorization of ["", "Bearer wrong", `Basic ${client.token}`]) {
        const response = await client.fetch(pathOf(route), { method: route.method, headers: { authorization } });
        assertShape(response.status, response.headers, (await response.json()) as ErrorBody, "unauthenticated");
      }
    });
  }
  if (route.response !== "websocket") {
    test(`${name} refuses a query parameter that it does not know`, async () => {
      const answer = await client.call<ErrorBody>(route.method, `${pathOf(route)}?unknown=1`, bodyFor(route));
      assertShape(answer.status, answer.headers, answer.body, "invalid_argument");
    });
  }
  if (typeof route.body === "object") {
    test(`${name} refuses a body with an unknown field, of another type, or that is no JSON`, async () => {
      for (const body of [{ ...bodyFor(route), unknown: 1 }, [], "text", null]) {
        const answer = await client.call<ErrorBody>(route.method, pathOf(route), body);
        assertShape(answer.status, answer.headers, answer.body, "invalid_argument");
      }
      const headers = { "content-type": "application/json" };
      const broken = await client.fetch(pathOf(route), { method: route.method, body: "{", headers });
      assertShape(broken.status, broken.headers, (await broken.json()) as ErrorBody, "invalid_argument");
    });
  }
  if (route.path.includes("{sandboxId}") && route.response !== "websocket") {
    test(`${name} of a sandbox that does not exist is not found`, async () => {
      const answer = await client.call<ErrorBody>(route.method, pathOf(route) + queryFor(route), bodyFor(route));
      assertShape(answer.status, answer.headers, answer.body, "not_found");
    });
  }
}

/** The least that a route's query schema accepts. */
function queryFor(route: Route): string {
  return route.query?.required?.includes("path") ? "?path=/x" : "";
}

/** The least that a route's body schema accepts. */
function bodyFor(route: Route): Record<string, unknown> | undefined {
  if (typeof route.body !== "object") return undefined;
  const least: Record<string, unknown> = { name: "x", argv: ["true"], values: {}, signal: "SIGTERM", rows: 1, cols: 1 };
  Object.assign(least, { path: "/x", to: "/y", mode: 0o644, image: "x" });
  const required = (route.body as { required?: string[] }).required ?? [];
  return Object.fromEntries(required.map((name) => [name, least[name]]));
}

for (const [what, body] of [
  ["a number as text", { cpu: "1" }],
  ["a negative number", { cpu: -1 }],
  ["too little memory", { memoryBytes: 1 }],
  ["a relative directory", { workdir: "tmp" }],
  ["a variable with = in its name", { env: { "A=B": "c" } }],
  ["a tag with a space in its name", { tags: { "a b": "c" } }],
  ["a number as a variable", { env: { A: 1 } }],
  ["a command that is text", { command: "true" }],
  ["an isolation level that does not exist", { isolation: "none" }],
  ["a probe of two kinds", { readinessProbe: { tcpPort: 1, exec: ["true"] } }],
  ["a name with a slash", { name: "a/b" }],
  ["a terminal without rows", { pty: { rows: 0, cols: 1 } }],
] as const) {
  test(`a sandbox with ${what} is refused`, async () => {
    const answer = await client.call<ErrorBody>("POST", "/v1/sandboxes", body);
    assertShape(answer.status, answer.headers, answer.body, "invalid_argument");
  });
}

test("numbers and truth values of a query are read as such, and nothing else is taken for one", async () => {
  const list = (query: string) => client.call<ErrorBody>("GET", `/v1/sandboxes?${query}`);
  assert.equal((await list("limit=10&all=true&tag=a%3Db")).status, 200);
  for (const query of ["limit=ten", "limit=0", "limit=1e2", "all=yes", "tag=a", "cursor=x"]) {
    const answer = await list(query);
    assertShape(answer.status, answer.headers, answer.body, "invalid_argument");
  }
});

test("an isolation level that is not there is refused with the reason", async () => {
  const error = await client.error("POST", "/v1/sandboxes", { isolation: "gvisor" });
  assert.equal(error.code, "isolation_unavailable");
  assert.match(error.message, /gvisor: this server has no engine/);
});

test("images and apps that do not exist are not found, and the hint says what there is", async () => {
  const image = await client.error("POST", "/v1/sandboxes", { image: "none" });
  assert.deepEqual([image.code, image.hint.includes('"base"')], ["not_found", true]);
  assert.equal((await client.error("POST", "/v1/sandboxes", { app: "none" })).code, "not_found");
  assert.equal((await client.error("POST", "/v1/apps/lookup", { name: "none" })).code, "not_found");
});

test("more arguments than init takes are refused before anything is made", async () => {
  const { id } = await client.create();
  const argv = ["true", ...Array.from({ length: 10 }, () => "x".repeat(120_000))];
  assert.equal((await client.error("POST", `/v1/sandboxes/${id}/processes`, { argv })).code, "payload_too_large");
  assert.equal((await client.error("POST", "/v1/sandboxes", { command: argv })).code, "payload_too_large");
  const { items } = await client.ok<{ items: unknown[] }>("GET", `/v1/sandboxes/${id}/processes`);
  assert.equal(items.length, 1);
});

test("a body that is too large is refused", async () => {
  const body = JSON.stringify({ values: { A: "x".repeat(9 * 1024 * 1024) } });
  const headers = { "content-type": "application/json" };
  const response = await client.fetch("/v1/secrets/big", { method: "PUT", body, headers });
  assertShape(response.status, response.headers, (await response.json()) as ErrorBody, "payload_too_large");
});

test("a path that does not exist is not found, and a method that it does not take is named with those it does", async () => {
  const missing = await client.call<ErrorBody>("GET", "/v1/nothing");
  assertShape(missing.status, missing.headers, missing.body, "not_found");
  const wrong = await client.call<ErrorBody>("DELETE", "/v1/sandboxes");
  assertShape(wrong.status, wrong.headers, wrong.body, "method_not_allowed");
  assert.equal(wrong.headers.get("allow"), "GET, POST");
});

test("HEAD answers where GET answers at once, with no body", async () => {
  const response = await client.fetch("/v1/status", { method: "HEAD" });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "");
  assert.equal((await client.fetch("/v1/nothing", { method: "HEAD" })).status, 404);
});

test("a signal that does not exist is refused", async () => {
  const { id } = await client.create({ command: ["sleep", "1000"] });
  const path = `/v1/sandboxes/${id}/processes/main/signal`;
  assert.equal((await client.error("POST", path, { signal: "SIGNOTHING" })).code, "invalid_argument");
  assert.equal((await client.error("POST", path, { signal: "9" })).code, "invalid_argument");
});

test("tokens, secrets and apps are made, listed and removed", async () => {
  const made = await client.ok<{ id: string; token: string }>("POST", "/v1/tokens", { name: "ci" });
  const other = await client.fetch("/v1/status", { headers: { authorization: `Bearer ${made.token}` } });
  assert.equal(other.status, 200);
  assert.ok(!JSON.stringify(await client.ok("GET", "/v1/tokens")).includes(made.token));
  assert.equal((await client.call("DELETE", `/v1/tokens/${made.id}`)).status, 204);
  const revoked = await client.fetch("/v1/status", { headers: { authorization: `Bearer ${made.token}` } });
  assert.equal(revoked.status, 401);
  await client.ok("PUT", "/v1/secrets/s", { values: { A: "1" } });
  assert.deepEqual((await client.ok<{ keys: string[] }>("GET", "/v1/secrets/s")).keys, ["A"]);
  assert.equal((await client.call("DELETE", "/v1/secrets/s")).status, 204);
  assert.equal((await client.error("GET", "/v1/secrets/s")).code, "not_found");
  const app = await client.ok<{ id: string }>("POST", "/v1/apps/lookup", { name: "a", createIfMissing: true });
  assert.equal((await client.ok<{ id: string }>("POST", "/v1/apps/lookup", { name: "a" })).id, app.id);
});

test("metrics tell the number of sandboxes, latencies and the event loop's delay", async () => {
  const text = await (await client.fetch("/metrics")).text();
  for (const pattern of [
    /^atoll_sandboxes\{state="running"\} \d+$/m,
    /^atoll_sandbox_create_seconds_count\{isolation="container"\} [1-9]/m,
    /^atoll_event_loop_delay_seconds\{quantile="0\.99"\} [\d.e-]+$/m,
    /^atoll_creations\{phase="waiting"\} 0$/m,
  ]) {
    assert.match(text, pattern);
  }
});
