import type { DatabaseSync } from "node:sqlite";
import { bytes, type Columns, json, maybeNumber, maybeText, number, text } from "./columns.ts";
import type { VolumeMountRow, VolumeRow } from "./rows.ts";
import type { VolumeMountsTable, VolumesTable } from "./store.ts";

export function volumesTable(database: DatabaseSync): VolumesTable {
  const insert = database.prepare(`INSERT INTO volumes
    (id, name, is_shared, format, limit_bytes, layers, version, created_at, updated_at, expires_at)
    VALUES (:id, :name, :isShared, :format, :limitBytes, :layers, :version, :createdAt, :updatedAt, :expiresAt)`);
  const update = database.prepare(`UPDATE volumes SET name = :name, layers = :layers, version = :version,
    updated_at = :updatedAt, expires_at = :expiresAt WHERE id = :id`);
  const get = database.prepare("SELECT * FROM volumes WHERE id = ?");
  const named = database.prepare("SELECT * FROM volumes WHERE name = ?");
  const list = database.prepare("SELECT * FROM volumes ORDER BY name IS NULL, name, created_at");
  const remove = database.prepare("DELETE FROM volumes WHERE id = ?");
  return {
    insert: (row) => {
      const { isShared, format, limitBytes = null, createdAt } = row;
      const fixed = { ":isShared": Number(isShared), ":format": format, ":limitBytes": limitBytes };
      insert.run({ ...changeable(row), ...fixed, ":createdAt": createdAt });
    },
    update: (row) => void update.run(changeable(row)),
    get: (id) => maybe(get.get(id), volumeOf),
    named: (name) => maybe(named.get(name), volumeOf),
    list: () => list.all().map(volumeOf),
    remove: (id) => void remove.run(id),
  };
}

function changeable(row: VolumeRow) {
  return {
    ":id": row.id,
    ":name": row.name ?? null,
    ":layers": JSON.stringify(row.layers),
    ":version": row.version,
    ":updatedAt": row.updatedAt,
    ":expiresAt": row.expiresAt ?? null,
  };
}

export function volumeMountsTable(database: DatabaseSync): VolumeMountsTable {
  const insert = database.prepare(`INSERT INTO volume_mounts
    (sandbox_id, number, volume_id, path, read_only, sub_path, version, committed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const update = database.prepare(`UPDATE volume_mounts SET version = ?, committed = ?, reload = ?
    WHERE sandbox_id = ? AND number = ?`);
  const of = database.prepare("SELECT * FROM volume_mounts WHERE sandbox_id = ? ORDER BY number");
  const users = database.prepare(
    "SELECT DISTINCT sandbox_id FROM volume_mounts WHERE volume_id = ? ORDER BY sandbox_id",
  );
  const sandboxes = database.prepare("SELECT DISTINCT sandbox_id FROM volume_mounts");
  const removeFor = database.prepare("DELETE FROM volume_mounts WHERE sandbox_id = ?");
  return {
    insert: (row) => {
      const { sandboxId, number: at, volumeId, path, readOnly, version, committed } = row;
      insert.run(sandboxId, at, volumeId, path, Number(readOnly), row.subPath ?? null, version, committed);
    },
    update: (row) => void update.run(row.version, row.committed, row.reload ?? null, row.sandboxId, row.number),
    of: (sandboxId) => of.all(sandboxId).map(mountOf),
    users: (volumeId) => users.all(volumeId).map((row) => text(row.sandbox_id)),
    sandboxes: () => sandboxes.all().map((row) => text(row.sandbox_id)),
    removeFor: (sandboxId) => void removeFor.run(sandboxId),
  };
}

function maybe<Row>(columns: Columns | undefined, rowOf: (columns: Columns) => Row): Row | undefined {
  return columns === undefined ? undefined : rowOf(columns);
}

function volumeOf(columns: Columns): VolumeRow {
  return {
    id: text(columns.id),
    name: maybeText(columns.name),
    format: number(columns.format),
    isShared: columns.is_shared === 1,
    limitBytes: maybeNumber(columns.limit_bytes),
    layers: json(columns.layers),
    version: number(columns.version),
    createdAt: number(columns.created_at),
    updatedAt: number(columns.updated_at),
    expiresAt: maybeNumber(columns.expires_at),
  };
}

function mountOf(columns: Columns): VolumeMountRow {
  return {
    sandboxId: text(columns.sandbox_id),
    number: number(columns.number),
    volumeId: text(columns.volume_id),
    path: text(columns.path),
    readOnly: columns.read_only === 1,
    subPath: maybeText(columns.sub_path),
    version: number(columns.version),
    committed: bytes(columns.committed),
    ...(columns.reload !== null && { reload: bytes(columns.reload) }),
  };
}
