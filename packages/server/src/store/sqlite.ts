import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { migrate } from "./migrations.ts";
import { imagesTable, layersTable } from "./sqlite-images.ts";
import { mountsTable } from "./sqlite-mounts.ts";
import { answersTable, appsTable, environmentsTable, secretsTable, tokensTable } from "./sqlite-names.ts";
import { openFilesTable } from "./sqlite-open-files.ts";
import { processesTable } from "./sqlite-processes.ts";
import { sandboxTable } from "./sqlite-sandboxes.ts";
import { trafficTable } from "./sqlite-traffic.ts";
import { volumeMountsTable, volumesTable } from "./sqlite-volumes.ts";
import type { Store } from "./store.ts";

/** Opens the database file, making it or bringing it up to date. */
export function openSqlite(path: string): Store {
  // Its write-ahead log and shared memory get the same mode as the file.
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: true });
  database.exec("PRAGMA journal_mode = WAL");
  // With a write-ahead log NORMAL never corrupts and loses nothing when the process is killed, only when the power
  // fails; and no sandbox outlives that. FULL would put a disk flush, 1-5 ms, on the path of each creation.
  database.exec("PRAGMA synchronous = NORMAL");
  migrate(database);
  const transaction = transactionOn(database);
  return {
    apps: appsTable(database),
    environments: environmentsTable(database),
    sandboxes: sandboxTable(database),
    processes: processesTable(database),
    mounts: mountsTable(database),
    openFiles: openFilesTable(database),
    traffic: trafficTable(database),
    images: imagesTable(database),
    layers: layersTable(database),
    volumes: volumesTable(database),
    volumeMounts: volumeMountsTable(database),
    secrets: secretsTable(database),
    tokens: tokensTable(database),
    answers: answersTable(database),
    transaction,
    durably: (act) => {
      // SQLite refuses to change it within a transaction.
      if (database.isTransaction) return act();
      database.exec("PRAGMA synchronous = FULL");
      try {
        return transaction(act);
      } finally {
        database.exec("PRAGMA synchronous = NORMAL");
      }
    },
    close: () => database.close(),
  };
}

function transactionOn(database: DatabaseSync): Store["transaction"] {
  return (act) => {
    if (database.isTransaction) return act();
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = act();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };
}
