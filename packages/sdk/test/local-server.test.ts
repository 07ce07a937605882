import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { AtollError, Client, ConnectionError, defaultClient } from "../src/index.ts";
import { type Answers, drop, fakeServer, inTurn, json } from "./fake-server.ts";

const variables = ["ATOLL_URL", "ATOLL_TOKEN", "ATOLL_STATE_DIR", "ATOLL_COMMAND"] as const;

/** A state directory of its own, and nothing said by the environment but that. */
function stateDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "atoll-sdk-"));
  const before = variables.map((name) => [name, process.env[name]] as const);
  for (const name of variables) delete process.env[name];
  process.env.ATOLL_STATE_DIR = directory;
  t.after(() => {
    rmSync(directory, { recursive: true });
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
  return directory;
}

const health: Answers = {
  health: ({ response }) => json(response, 200, { ok: true, version: "1" }),
  listApps: ({ response }) => json(response, 200, { items: [] }),
};

function describe(directory: string, url: string): void {
  writeFileSync(join(directory, "server.json"), JSON.stringify({ pid: process.pid, url, version: "1" }));
  writeFileSync(join(directory, "token"), "local-token\n");
}

/** A start command that leaves a mark, and says that the given server runs. */
function startCommand(directory: string, lines: readonly string[]): void {
  const path = join(directory, "start");
  writeFileSync(path, ["#!/bin/sh", `echo "$@" >> ${directory}/calls`, ...lines].join("\n"));
  chmodSync(path, 0o755);
  process.env.ATOLL_COMMAND = path;
}

test("a running server is found in the state directory, with its token", async (t) => {
  const directory = stateDirectory(t);
  const server = await fakeServer(t, health);
  describe(directory, server.url);
  await new Client().request("listApps", {});
  assert.equal(server.received.at(-1)?.headers.authorization, "Bearer local-token");
});

test("a server is started once when none runs, though several calls want it", async (t) => {
  const directory = stateDirectory(t);
  const server = await fakeServer(t, health);
  startCommand(directory, [
    `printf '{"pid":1,"url":"%s"}' ${server.url} > ${directory}/server.json`,
    `echo local-token > ${directory}/token`,
  ]);
  const client = new Client();
  await Promise.all([client.request("listApps", {}), client.request("listApps", {})]);
  assert.equal(readFileSync(join(directory, "calls"), "utf8"), "serve --detach\n");
});

test("what a killed server left behind does not keep a new one from being started", async (t) => {
  const directory = stateDirectory(t);
  const server = await fakeServer(t, health);
  describe(directory, "http://127.0.0.1:1");
  startCommand(directory, [`printf '{"pid":1,"url":"%s"}' ${server.url} > ${directory}/server.json`]);
  await new Client().request("listApps", {});
  assert.equal(server.received.at(-1)?.operation, "listApps");
});

test("a start that fails is an error with what the command said, and a later call tries again", async (t) => {
  const directory = stateDirectory(t);
  startCommand(directory, ["echo cannot find runsc >&2", "exit 3"]);
  const client = new Client();
  await assert.rejects(client.request("listApps", {}), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /cannot find runsc/);
    return true;
  });
  const server = await fakeServer(t, health);
  describe(directory, server.url);
  assert.deepEqual(await client.request("listApps", {}), { items: [] });
});

test("a server that restarts on another port is followed, and not started by the client", async (t) => {
  const directory = stateDirectory(t);
  const second = await fakeServer(t, health);
  const first = await fakeServer(t, {
    ...health,
    listApps: inTurn(
      ({ response }) => json(response, 200, { items: [] }),
      (received) => {
        describe(directory, second.url);
        return drop(received);
      },
    ),
  });
  describe(directory, first.url);
  startCommand(directory, ["exit 1"]);
  const client = new Client();
  await client.request("listApps", {});
  await client.request("listApps", {});
  assert.equal(second.received.length, 1);
  assert.throws(() => readFileSync(join(directory, "calls")));
});

test("ATOLL_URL and ATOLL_TOKEN point elsewhere", async (t) => {
  stateDirectory(t);
  const server = await fakeServer(t, health);
  process.env.ATOLL_URL = server.url;
  process.env.ATOLL_TOKEN = "from-environment";
  await new Client().request("listApps", {});
  assert.equal(server.received[0]?.headers.authorization, "Bearer from-environment");
});

test("a command that does not exist is an AtollError with a hint", async (t) => {
  const directory = stateDirectory(t);
  process.env.ATOLL_COMMAND = join(directory, "missing");
  await assert.rejects(
    new Client().request("listApps", {}),
    (error) => error instanceof AtollError && error.hint !== "",
  );
});

test("the default client is one for the whole program", () => {
  assert.equal(defaultClient(), defaultClient());
});
