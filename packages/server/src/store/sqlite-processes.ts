import type { DatabaseSync } from "node:sqlite";
import { type Columns, json, jsonOrNull, maybeJson, maybeNumber, number, text } from "./columns.ts";
import type { ProcessRow } from "./rows.ts";
import type { ProcessesTable } from "./store.ts";

export function processesTable(database: DatabaseSync): ProcessesTable {
  const insert = database.prepare(`INSERT INTO processes
    (sandbox_id, number, id, argv, pty, keeps_stdin, created_at, deadline_at, started_at, finished_at, result, output)
    VALUES (:sandboxId, :number, :id, :argv, :pty, :keepsStdin, :createdAt, :deadlineAt, :startedAt, :finishedAt, :result,
     :output)`);
  const update = database.prepare(`UPDATE processes SET deadline_at = :deadlineAt, started_at = :startedAt,
    finished_at = :finishedAt, result = :result, output = :output WHERE sandbox_id = :sandboxId AND number = :number`);
  const of = database.prepare("SELECT * FROM processes WHERE sandbox_id = ? ORDER BY number");
  const get = database.prepare("SELECT * FROM processes WHERE sandbox_id = ? AND id = ?");
  const remove = database.prepare("DELETE FROM processes WHERE sandbox_id = ? AND number = ?");
  return {
    insert: (row) =>
      void insert.run({
        ...mutable(row),
        ":id": row.id,
        ":argv": JSON.stringify(row.argv),
        ":pty": jsonOrNull(row.pty),
        ":keepsStdin": row.keepsStdin ? 1 : 0,
        ":createdAt": row.createdAt,
      }),
    update: (row) => void update.run(mutable(row)),
    of: (sandboxId) => of.all(sandboxId).map(rowOf),
    get: (sandboxId, id) => {
      const columns = get.get(sandboxId, id);
      return columns === undefined ? undefined : rowOf(columns);
    },
    remove: (sandboxId, processNumber) => void remove.run(sandboxId, processNumber),
  };
}

function mutable(row: ProcessRow) {
  return {
    ":sandboxId": row.sandboxId,
    ":number": row.number,
    ":deadlineAt": row.deadlineAt ?? null,
    ":startedAt": row.startedAt ?? null,
    ":finishedAt": row.finishedAt ?? null,
    ":result": jsonOrNull(row.result),
    ":output": jsonOrNull(row.output),
  };
}

function rowOf(columns: Columns): ProcessRow {
  return {
    sandboxId: text(columns.sandbox_id),
    number: number(columns.number),
    id: text(columns.id),
    argv: json(columns.argv),
    pty: maybeJson(columns.pty),
    keepsStdin: columns.keeps_stdin === 1,
    createdAt: number(columns.created_at),
    deadlineAt: maybeNumber(columns.deadline_at),
    startedAt: maybeNumber(columns.started_at),
    finishedAt: maybeNumber(columns.finished_at),
    result: maybeJson(columns.result),
    output: maybeJson(columns.output),
  };
}
