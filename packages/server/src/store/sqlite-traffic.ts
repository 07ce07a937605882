import type { DatabaseSync } from "node:sqlite";
import { type Columns, maybeText, number, text } from "./columns.ts";
import type { TrafficRow } from "./rows.ts";
import type { TrafficTable } from "./store.ts";

export function trafficTable(database: DatabaseSync): TrafficTable {
  // NULL is equal to nothing, so what is absent from the key is an empty text.
  const add = database.prepare(`INSERT INTO sandbox_traffic VALUES
    (:sandboxId, :name, :port, :protocol, :refusal, :secret, :address, :count, :sent, :received, :firstAt, :lastAt)
    ON CONFLICT DO UPDATE SET address = coalesce(excluded.address, address), count = count + excluded.count,
      sent = sent + excluded.sent, received = received + excluded.received, last_at = excluded.last_at`);
  const of = database.prepare(
    "SELECT * FROM sandbox_traffic WHERE sandbox_id = ? ORDER BY last_at DESC, first_at DESC",
  );
  const count = database.prepare("SELECT count(*) AS count FROM sandbox_traffic WHERE sandbox_id = ?");
  return {
    add: (row) =>
      void add.run({
        ":sandboxId": row.sandboxId,
        ":name": row.name,
        ":port": row.port,
        ":protocol": row.protocol,
        ":refusal": row.refusal ?? "",
        ":secret": row.secret ?? "",
        ":address": row.address ?? null,
        ":count": row.count,
        ":sent": row.sent,
        ":received": row.received,
        ":firstAt": row.firstAt,
        ":lastAt": row.lastAt,
      }),
    of: (sandboxId) => of.all(sandboxId).map(rowOf),
    count: (sandboxId) => number(count.get(sandboxId)?.count),
  };
}

function rowOf(columns: Columns): TrafficRow {
  const [refusal, secret, address] = [text(columns.refusal), text(columns.secret), maybeText(columns.address)];
  return {
    sandboxId: text(columns.sandbox_id),
    name: text(columns.name),
    port: number(columns.port),
    protocol: text(columns.protocol) as TrafficRow["protocol"],
    ...(refusal !== "" && { refusal }),
    ...(secret !== "" && { secret }),
    ...(address !== undefined && { address }),
    count: number(columns.count),
    sent: number(columns.sent),
    received: number(columns.received),
    firstAt: number(columns.first_at),
    lastAt: number(columns.last_at),
  };
}
