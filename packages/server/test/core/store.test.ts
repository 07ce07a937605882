import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import type { SandboxRow } from "../../src/store/rows.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import { temporaryDirectory, undoAfter } from "../support/state.ts";

const row = (sequence: number, fields: Partial<SandboxRow> = {}): SandboxRow => ({
  id: `sb-${sequence}`,
  sequence,
  app: "default",
  spec: {
    command: ["true"],
    image: "base",
    isolation: "container",
    cpu: 1,
    memoryBytes: 1,
    pidsLimit: 1,
    openFilesLimit: 1,
    timeoutMs: 1,
  },
  environment: new Uint8Array([1, 2]),
  createdAt: 1,
  tags: {},
  networkPolicy: { outboundCidrAllowlist: ["192.0.2.0/24"] },
  state: "running",
  isDestroyed: false,
  gpus: [],
  hostPorts: {},
  timeline: [],
  ...fields,
});

test("what was stored is there again when the file is opened anew, and nobody else can read it", (t) => {
  const path = join(temporaryDirectory(t), "atoll.db");
  const store = openSqlite(path);
  const stored = row(1, {
    name: "web",
    tags: { a: "b" },
    holder: { key: "k", isolation: "container", details: { pid: 1 } },
    startedAt: 5,
    deadlineAt: 6,
    gpus: ["x.com/gpu=0"],
    timeline: [{ event: "queued", at: "2026-01-01T00:00:00.000Z" }],
  });
  store.sandboxes.insert(stored);
  store.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const again = openSqlite(path);
  undoAfter(t, () => again.close());
  const found = again.sandboxes.get("sb-1");
  assert.deepEqual(JSON.parse(JSON.stringify(found)), JSON.parse(JSON.stringify(stored)));
});

test("a database of a newer server is refused", (t) => {
  const path = join(temporaryDirectory(t), "atoll.db");
  openSqlite(path).close();
  const database = new DatabaseSync(path);
  database.exec("INSERT INTO schema_version VALUES (1000)");
  database.close();
  assert.throws(() => openSqlite(path), /schema version 1000/);
});

test("a transaction that fails leaves nothing of what it wrote", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  assert.throws(() =>
    store.transaction(() => {
      store.sandboxes.insert(row(1));
      store.transaction(() => store.sandboxes.insert(row(2)));
      throw new Error("no");
    }),
  );
  assert.deepEqual(store.sandboxes.ids(), []);
});

test("two unfinished sandboxes of one app cannot have one name", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  store.sandboxes.insert(row(1, { name: "web", state: "finished" }));
  store.sandboxes.insert(row(2, { name: "web" }));
  assert.throws(() => store.sandboxes.insert(row(3, { name: "web" })), /UNIQUE/);
});

test("finished sandboxes expire by number and by age, but not before they are removed", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  for (let index = 1; index <= 4; index += 1) {
    store.sandboxes.insert(row(index, { state: "finished", finishedAt: index * 10, isDestroyed: index !== 1 }));
  }
  store.sandboxes.insert(row(5));
  assert.deepEqual(store.sandboxes.expired(2, 0), ["sb-2"]);
  assert.deepEqual(store.sandboxes.expired(100, 31), ["sb-2", "sb-3"]);
  assert.deepEqual(store.sandboxes.expired(100, 0), []);
  assert.deepEqual(
    store.sandboxes.unsettled().map(({ id }) => id),
    ["sb-1", "sb-5"],
  );
});
