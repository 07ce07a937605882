import type { DatabaseSync } from "node:sqlite";

/** Each entry takes the database one version further. Never change one that has been released. */
const migrations: readonly string[] = [
  `
  CREATE TABLE apps (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE sandboxes (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    app TEXT NOT NULL,
    name TEXT,
    spec TEXT NOT NULL,
    environment BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    tags TEXT NOT NULL,
    state TEXT NOT NULL,
    ending TEXT,
    result TEXT,
    holder TEXT,
    is_destroyed INTEGER NOT NULL,
    gpus TEXT NOT NULL,
    started_at INTEGER,
    deadline_at INTEGER,
    last_active_at INTEGER,
    ready_at INTEGER,
    finished_at INTEGER,
    timeline TEXT NOT NULL
  ) STRICT;
  CREATE INDEX sandboxes_unsettled ON sandboxes (sequence) WHERE state <> 'finished' OR is_destroyed = 0;
  CREATE INDEX sandboxes_finished ON sandboxes (finished_at) WHERE state = 'finished';
  CREATE UNIQUE INDEX sandboxes_name ON sandboxes (app, name) WHERE name IS NOT NULL AND state <> 'finished';
  CREATE TABLE processes (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    argv TEXT NOT NULL,
    pty TEXT,
    keeps_stdin INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deadline_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    result TEXT,
    output TEXT,
    PRIMARY KEY (sandbox_id, number)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX processes_id ON processes (sandbox_id, id);
  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    keys TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
  ) STRICT;
  CREATE TABLE answers (
    scope TEXT PRIMARY KEY,
    request_hash BLOB NOT NULL,
    made_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX answers_age ON answers (created_at);
  CREATE INDEX answers_made ON answers (made_id);
  `,
  `
  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    recipe TEXT UNIQUE,
    layers TEXT NOT NULL,
    config TEXT NOT NULL,
    origin TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE image_names (
    name TEXT PRIMARY KEY,
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
  ) STRICT;
  CREATE INDEX image_names_of ON image_names (image_id);
  CREATE TABLE layers (
    id TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE image_steps (
    key TEXT PRIMARY KEY,
    layer TEXT
  ) STRICT;
  `,
  // Secrets have an id, and need no name.
  `
  ALTER TABLE secrets RENAME TO named_secrets;
  CREATE TABLE secrets (
    id TEXT PRIMARY KEY,
    name TEXT UNIQUE,
    keys TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL
  ) STRICT;
  INSERT INTO secrets SELECT 'st-' || substr(hex(randomblob(16)), 1, 22), name, keys, sealed, created_at, updated_at, updated_at
    FROM named_secrets;
  DROP TABLE named_secrets;
  CREATE INDEX secrets_unnamed ON secrets (used_at) WHERE name IS NULL;
  `,
  // What is mounted into sandboxes that are not removed yet.
  `
  CREATE TABLE sandbox_mounts (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    image_id TEXT,
    layers TEXT NOT NULL,
    mounted TEXT NOT NULL,
    PRIMARY KEY (sandbox_id, path)
  ) STRICT;
  `,
  `
  ALTER TABLE sandboxes ADD COLUMN network_policy TEXT NOT NULL DEFAULT '{}';
  UPDATE sandboxes SET network_policy = '{"blockNetwork":true}' WHERE json_extract(spec, '$.blockNetwork');
  `,
  `ALTER TABLE sandboxes ADD COLUMN host_ports TEXT NOT NULL DEFAULT '{}'`,
  `
  CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    name TEXT UNIQUE,
    is_shared INTEGER NOT NULL,
    layers TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER
  ) STRICT;
  CREATE TABLE volume_mounts (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    volume_id TEXT NOT NULL REFERENCES volumes (id),
    path TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    sub_path TEXT,
    version INTEGER NOT NULL,
    committed BLOB NOT NULL,
    PRIMARY KEY (sandbox_id, number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX volume_mounts_of ON volume_mounts (volume_id);
  `,
  `ALTER TABLE images ADD COLUMN expires_at INTEGER`,
  `ALTER TABLE volumes ADD COLUMN format INTEGER NOT NULL DEFAULT 1`,
  `
  CREATE TABLE open_files (
    id TEXT PRIMARY KEY,
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    path TEXT NOT NULL,
    mode TEXT NOT NULL,
    position INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX open_files_of ON open_files (sandbox_id);
  `,
  `
  CREATE TABLE sandbox_traffic (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    port INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    refusal TEXT NOT NULL,
    secret TEXT NOT NULL,
    address TEXT,
    count INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (sandbox_id, name, port, protocol, refusal, secret)
  ) STRICT, WITHOUT ROWID;
  `,
  `CREATE TABLE environments (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL) STRICT`,
  `ALTER TABLE volume_mounts ADD COLUMN reload BLOB`,
  `ALTER TABLE volumes ADD COLUMN limit_bytes INTEGER`,
];

/** @throws Error when the database was written by a newer server */
export function migrate(database: DatabaseSync): void {
  database.exec("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT");
  const present = Number(database.prepare("SELECT max(version) AS version FROM schema_version").get()?.version ?? 0);
  if (present > migrations.length) {
    throw new Error(
      `cannot open the database: it has schema version ${present} and this server knows ${migrations.length}; run the newer server`,
    );
  }
  for (const [index, sql] of migrations.entries()) if (index >= present) apply(database, sql, index + 1);
}

function apply(database: DatabaseSync, sql: string, version: number): void {
  database.exec(`BEGIN IMMEDIATE; ${sql}; INSERT INTO schema_version VALUES (${version}); COMMIT`);
}
