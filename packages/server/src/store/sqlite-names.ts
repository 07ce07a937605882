import type { DatabaseSync } from "node:sqlite";
import { bytes, type Columns, json, maybeNumber, maybeText, number, text } from "./columns.ts";
import type { AppRow, SecretRow, TokenRow } from "./rows.ts";
import type { Answers, Apps, Environments, Secrets, Tokens } from "./store.ts";

export function appsTable(database: DatabaseSync): Apps {
  const insert = database.prepare("INSERT INTO apps (id, name, created_at) VALUES (?, ?, ?)");
  const named = database.prepare("SELECT * FROM apps WHERE name = ?");
  const list = database.prepare("SELECT * FROM apps ORDER BY name");
  return {
    insert: (row) => void insert.run(row.id, row.name, row.createdAt),
    named: (name) => maybe(named.get(name), appOf),
    list: () => list.all().map(appOf),
  };
}

export function environmentsTable(database: DatabaseSync): Environments {
  const insert = database.prepare("INSERT INTO environments (id, name, created_at) VALUES (?, ?, ?)");
  const named = database.prepare("SELECT * FROM environments WHERE name = ?");
  const list = database.prepare("SELECT * FROM environments ORDER BY name");
  const rename = database.prepare("UPDATE environments SET name = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM environments WHERE id = ?");
  return {
    insert: (row) => void insert.run(row.id, row.name, row.createdAt),
    named: (name) => maybe(named.get(name), appOf),
    list: () => list.all().map(appOf),
    rename: (id, name) => void rename.run(name, id),
    remove: (id) => void remove.run(id),
  };
}

export function secretsTable(database: DatabaseSync): Secrets {
  const put = database.prepare(`INSERT OR REPLACE INTO secrets (id, name, keys, sealed, created_at, updated_at, used_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)`);
  const get = database.prepare("SELECT * FROM secrets WHERE id = ?");
  const named = database.prepare("SELECT * FROM secrets WHERE name = ?");
  const list = database.prepare("SELECT * FROM secrets WHERE name IS NOT NULL ORDER BY name");
  const touch = database.prepare("UPDATE secrets SET used_at = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM secrets WHERE id = ?");
  const removeUnnamed = database.prepare("DELETE FROM secrets WHERE name IS NULL AND used_at < ?");
  return {
    put: ({ id, name = null, keys, sealed, createdAt, updatedAt, usedAt }) =>
      void put.run(id, name, JSON.stringify(keys), sealed, createdAt, updatedAt, usedAt),
    get: (id) => maybe(get.get(id), secretOf),
    named: (name) => maybe(named.get(name), secretOf),
    list: () => list.all().map(secretOf),
    touch: (id, at) => void touch.run(at, id),
    remove: (id) => remove.run(id).changes > 0,
    removeUnnamedBefore: (at) => void removeUnnamed.run(at),
  };
}

export function tokensTable(database: DatabaseSync): Tokens {
  const insert = database.prepare("INSERT INTO tokens (id, name, hash, created_at) VALUES (?, ?, ?, ?)");
  const withHash = database.prepare("SELECT * FROM tokens WHERE hash = ?");
  const list = database.prepare("SELECT * FROM tokens ORDER BY created_at, id");
  const touch = database.prepare("UPDATE tokens SET last_used_at = ? WHERE id = ?");
  const remove = database.prepare("DELETE FROM tokens WHERE id = ?");
  return {
    insert: (row) => void insert.run(row.id, row.name, row.hash, row.createdAt),
    withHash: (hash) => maybe(withHash.get(hash), tokenOf),
    list: () => list.all().map(tokenOf),
    touch: (id, at) => void touch.run(at, id),
    remove: (id) => remove.run(id).changes > 0,
  };
}

export function answersTable(database: DatabaseSync): Answers {
  const insert = database.prepare("INSERT INTO answers (scope, request_hash, made_id, created_at) VALUES (?, ?, ?, ?)");
  const get = database.prepare("SELECT * FROM answers WHERE scope = ?");
  const removeFor = database.prepare("DELETE FROM answers WHERE made_id = ?");
  const removeBefore = database.prepare("DELETE FROM answers WHERE created_at < ?");
  return {
    insert: (row) => void insert.run(row.scope, row.requestHash, row.madeId, row.createdAt),
    get: (scope) =>
      maybe(get.get(scope), (row) => ({
        scope: text(row.scope),
        requestHash: bytes(row.request_hash),
        madeId: text(row.made_id),
        createdAt: number(row.created_at),
      })),
    removeFor: (madeId) => void removeFor.run(madeId),
    removeBefore: (at) => void removeBefore.run(at),
  };
}

function maybe<T>(columns: Columns | undefined, read: (columns: Columns) => T): T | undefined {
  return columns === undefined ? undefined : read(columns);
}

function appOf(row: Columns): AppRow {
  return { id: text(row.id), name: text(row.name), createdAt: number(row.created_at) };
}

function secretOf(row: Columns): SecretRow {
  return {
    id: text(row.id),
    name: maybeText(row.name),
    keys: json(row.keys),
    sealed: bytes(row.sealed),
    createdAt: number(row.created_at),
    updatedAt: number(row.updated_at),
    usedAt: number(row.used_at),
  };
}

function tokenOf(row: Columns): TokenRow {
  return {
    id: text(row.id),
    name: text(row.name),
    hash: bytes(row.hash),
    createdAt: number(row.created_at),
    lastUsedAt: maybeNumber(row.last_used_at),
  };
}
