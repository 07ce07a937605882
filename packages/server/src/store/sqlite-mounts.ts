import type { DatabaseSync } from "node:sqlite";
import { type Columns, json, maybeText, text } from "./columns.ts";
import type { MountRow } from "./rows.ts";
import type { MountsTable } from "./store.ts";

export function mountsTable(database: DatabaseSync): MountsTable {
  const insert = database.prepare("INSERT INTO sandbox_mounts VALUES (:sandboxId, :path, :imageId, :layers, :mounted)");
  const list = database.prepare("SELECT * FROM sandbox_mounts ORDER BY path");
  const of = database.prepare("SELECT * FROM sandbox_mounts WHERE sandbox_id = ? ORDER BY path");
  const remove = database.prepare("DELETE FROM sandbox_mounts WHERE sandbox_id = ? AND path = ?");
  const removeOf = database.prepare("DELETE FROM sandbox_mounts WHERE sandbox_id = ?");
  return {
    insert: (row) =>
      void insert.run({
        ":sandboxId": row.sandboxId,
        ":path": row.path,
        ":imageId": row.imageId ?? null,
        ":layers": JSON.stringify(row.layers),
        ":mounted": JSON.stringify(row.mounted),
      }),
    of: (sandboxId) => of.all(sandboxId).map(rowOf),
    list: () => list.all().map(rowOf),
    remove: (sandboxId, path) => void remove.run(sandboxId, path),
    removeOf: (sandboxId) => void removeOf.run(sandboxId),
  };
}

function rowOf(columns: Columns): MountRow {
  return {
    sandboxId: text(columns.sandbox_id),
    path: text(columns.path),
    imageId: maybeText(columns.image_id),
    layers: json(columns.layers),
    mounted: json(columns.mounted),
  };
}
