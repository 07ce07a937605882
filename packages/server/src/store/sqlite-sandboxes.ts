import type { DatabaseSync } from "node:sqlite";
import { bytes, type Columns, json, jsonOrNull, maybeJson, maybeNumber, maybeText, number, text } from "./columns.ts";
import type { SandboxRow } from "./rows.ts";
import type { FinishedFilter, SandboxTable } from "./store.ts";

export function sandboxTable(database: DatabaseSync): SandboxTable {
  const insert = database.prepare(`INSERT INTO sandboxes
    (id, sequence, app, name, spec, environment, created_at, tags, state, ending, result, holder, is_destroyed, gpus, host_ports,
     started_at, deadline_at, last_active_at, ready_at, finished_at, timeline, network_policy)
    VALUES (:id, :sequence, :app, :name, :spec, :environment, :createdAt, :tags, :state, :ending, :result, :holder,
     :isDestroyed, :gpus, :hostPorts, :startedAt, :deadlineAt, :lastActiveAt, :readyAt, :finishedAt, :timeline, :networkPolicy)`);
  const update =
    database.prepare(`UPDATE sandboxes SET name = :name, tags = :tags, state = :state, ending = :ending, result = :result,
    holder = :holder, is_destroyed = :isDestroyed, gpus = :gpus, host_ports = :hostPorts, started_at = :startedAt, deadline_at = :deadlineAt,
    last_active_at = :lastActiveAt, ready_at = :readyAt, finished_at = :finishedAt, timeline = :timeline,
    network_policy = :networkPolicy WHERE id = :id`);
  const get = database.prepare("SELECT * FROM sandboxes WHERE id = ?");
  const unsettled = database.prepare(
    "SELECT * FROM sandboxes WHERE state <> 'finished' OR is_destroyed = 0 ORDER BY sequence",
  );
  const count = database.prepare("SELECT count(*) AS count FROM sandboxes WHERE state = 'finished'");
  const last = database.prepare("SELECT max(sequence) AS last FROM sandboxes");
  const expired = database.prepare(`SELECT id FROM sandboxes WHERE state = 'finished' AND is_destroyed = 1
    AND (finished_at < :before OR id NOT IN
      (SELECT id FROM sandboxes WHERE state = 'finished' ORDER BY finished_at DESC, sequence DESC LIMIT :keep))
    ORDER BY finished_at LIMIT 100`);
  const remove = database.prepare("DELETE FROM sandboxes WHERE id = ?");
  const ids = database.prepare("SELECT id FROM sandboxes");
  return {
    insert: (row) => void insert.run({ ...fixed(row), ...mutable(row) }),
    update: (row) => void update.run({ ":id": row.id, ...mutable(row) }),
    get: (id) => maybeRow(get.get(id)),
    unsettled: () => unsettled.all().map(rowOf),
    finished: (filter) => finished(database, filter),
    countFinished: () => number(count.get()?.count),
    lastSequence: () => maybeNumber(last.get()?.last) ?? 0,
    expired: (keep, before) => expired.all({ ":keep": keep, ":before": before }).map((row) => text(row.id)),
    remove: (id) => void remove.run(id),
    ids: () => ids.all().map((row) => text(row.id)),
  };
}

function finished(database: DatabaseSync, filter: FinishedFilter): SandboxRow[] {
  const conditions = ["state = 'finished'", "sequence < ?"];
  const values: (string | number)[] = [filter.before];
  const add = (condition: string, ...more: string[]) => {
    conditions.push(condition);
    values.push(...more);
  };
  if (filter.app !== undefined) add("app = ?", filter.app);
  if (filter.name !== undefined) add("name = ?", filter.name);
  for (const [key, value] of Object.entries(filter.tags)) {
    add("EXISTS (SELECT 1 FROM json_each(tags) WHERE key = ? AND value = ?)", key, value);
  }
  const sql = `SELECT * FROM sandboxes WHERE ${conditions.join(" AND ")} ORDER BY sequence DESC LIMIT ?`;
  return database
    .prepare(sql)
    .all(...values, filter.limit)
    .map(rowOf);
}

function fixed(row: SandboxRow) {
  return {
    ":id": row.id,
    ":sequence": row.sequence,
    ":app": row.app,
    ":spec": JSON.stringify(row.spec),
    ":environment": row.environment,
    ":createdAt": row.createdAt,
  };
}

function mutable(row: SandboxRow) {
  return {
    ":name": row.name ?? null,
    ":tags": JSON.stringify(row.tags),
    ":state": row.state,
    ":ending": jsonOrNull(row.ending),
    ":result": jsonOrNull(row.result),
    ":holder": jsonOrNull(row.holder),
    ":isDestroyed": row.isDestroyed ? 1 : 0,
    ":gpus": JSON.stringify(row.gpus),
    ":hostPorts": JSON.stringify(row.hostPorts),
    ":startedAt": row.startedAt ?? null,
    ":deadlineAt": row.deadlineAt ?? null,
    ":lastActiveAt": row.lastActiveAt ?? null,
    ":readyAt": row.readyAt ?? null,
    ":finishedAt": row.finishedAt ?? null,
    ":networkPolicy": JSON.stringify(row.networkPolicy),
    ":timeline": JSON.stringify(row.timeline),
  };
}

function maybeRow(columns: Columns | undefined): SandboxRow | undefined {
  return columns === undefined ? undefined : rowOf(columns);
}

function rowOf(columns: Columns): SandboxRow {
  return {
    id: text(columns.id),
    sequence: number(columns.sequence),
    app: text(columns.app),
    name: maybeText(columns.name),
    spec: json(columns.spec),
    environment: bytes(columns.environment),
    createdAt: number(columns.created_at),
    tags: json(columns.tags),
    state: text(columns.state) as SandboxRow["state"],
    ending: maybeJson(columns.ending),
    result: maybeJson(columns.result),
    holder: maybeJson(columns.holder),
    isDestroyed: columns.is_destroyed === 1,
    gpus: json(columns.gpus),
    hostPorts: json(columns.host_ports),
    startedAt: maybeNumber(columns.started_at),
    deadlineAt: maybeNumber(columns.deadline_at),
    lastActiveAt: maybeNumber(columns.last_active_at),
    readyAt: maybeNumber(columns.ready_at),
    finishedAt: maybeNumber(columns.finished_at),
    timeline: json(columns.timeline),
    networkPolicy: json(columns.network_policy),
  };
}
