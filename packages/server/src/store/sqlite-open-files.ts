import type { DatabaseSync } from "node:sqlite";
import { number, text } from "./columns.ts";
import type { OpenFilesTable } from "./store.ts";

export function openFilesTable(database: DatabaseSync): OpenFilesTable {
  const put = database.prepare("INSERT OR REPLACE INTO open_files VALUES (?, ?, ?, ?, ?)");
  const get = database.prepare("SELECT * FROM open_files WHERE id = ?");
  const count = database.prepare("SELECT count(*) AS count FROM open_files WHERE sandbox_id = ?");
  const remove = database.prepare("DELETE FROM open_files WHERE id = ?");
  return {
    put: ({ id, sandboxId, path, mode, position }) => void put.run(id, sandboxId, path, mode, position),
    get: (id) => {
      const row = get.get(id);
      return (
        row && {
          id: text(row.id),
          sandboxId: text(row.sandbox_id),
          path: text(row.path),
          mode: text(row.mode),
          position: number(row.position),
        }
      );
    },
    count: (sandboxId) => number(count.get(sandboxId)?.count),
    remove: (id) => void remove.run(id),
  };
}
