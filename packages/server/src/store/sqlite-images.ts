import type { DatabaseSync } from "node:sqlite";
import { type Columns, json, maybeNumber, maybeText, number, text } from "./columns.ts";
import type { ImageRow, LayerRow } from "./rows.ts";
import type { ImagesTable, LayersTable } from "./store.ts";

export function imagesTable(database: DatabaseSync): ImagesTable {
  const insert =
    database.prepare(`INSERT INTO images (id, recipe, layers, config, origin, created_at, used_at, expires_at)
    VALUES (:id, :recipe, :layers, :config, :origin, :createdAt, :usedAt, :expiresAt)`);
  const get = database.prepare("SELECT * FROM images WHERE id = ?");
  const named = database.prepare("SELECT images.* FROM images JOIN image_names ON image_id = id WHERE name = ?");
  const ofRecipe = database.prepare("SELECT * FROM images WHERE recipe = ?");
  const list = database.prepare("SELECT * FROM images ORDER BY created_at DESC, id");
  const expired = database.prepare("SELECT * FROM images WHERE expires_at <= ?");
  const touch = database.prepare("UPDATE images SET used_at = ? WHERE id = ?");
  const restack = database.prepare("UPDATE images SET layers = ? WHERE id = ?");
  const forgetRecipe = database.prepare("UPDATE images SET recipe = NULL WHERE id = ?");
  const remove = database.prepare("DELETE FROM images WHERE id = ?");
  const names = database.prepare("SELECT name FROM image_names WHERE image_id = ? ORDER BY name");
  const name = database.prepare(`INSERT INTO image_names (name, image_id) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id`);
  const unname = database.prepare("DELETE FROM image_names WHERE name = ?");
  return {
    insert: (row) =>
      void insert.run({
        ":id": row.id,
        ":recipe": row.recipe ?? null,
        ":layers": JSON.stringify(row.layers),
        ":config": JSON.stringify(row.config),
        ":origin": JSON.stringify(row.origin),
        ":createdAt": row.createdAt,
        ":usedAt": row.usedAt,
        ":expiresAt": row.expiresAt ?? null,
      }),
    get: (id) => maybeImage(get.get(id)),
    named: (wanted) => maybeImage(named.get(wanted)),
    ofRecipe: (recipe) => maybeImage(ofRecipe.get(recipe)),
    list: () => list.all().map(imageOf),
    expired: (at) => expired.all(at).map(imageOf),
    touch: (id, at) => void touch.run(at, id),
    restack: (id, layers) => void restack.run(JSON.stringify(layers), id),
    forgetRecipe: (id) => void forgetRecipe.run(id),
    remove: (id) => void remove.run(id),
    names: (id) => names.all(id).map((row) => text(row.name)),
    name: (given, id) => void name.run(given, id),
    unname: (given) => unname.run(given).changes > 0,
  };
}

export function layersTable(database: DatabaseSync): LayersTable {
  const insert = database.prepare(
    "INSERT INTO layers (id, size_bytes, created_at) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
  );
  const get = database.prepare("SELECT * FROM layers WHERE id = ?");
  const list = database.prepare("SELECT * FROM layers");
  const ofImages = "SELECT value FROM images, json_each(images.layers)";
  const unused = database.prepare(`SELECT * FROM layers WHERE id NOT IN (${ofImages})
    AND id NOT IN (SELECT layer FROM image_steps WHERE layer IS NOT NULL)
    AND id NOT IN (SELECT value FROM volumes, json_each(volumes.layers))`);
  const cached = database.prepare("SELECT DISTINCT layer FROM image_steps WHERE layer IS NOT NULL");
  const remove = database.prepare("DELETE FROM layers WHERE id = ?");
  const ofStep = database.prepare("SELECT layer FROM image_steps WHERE key = ?");
  const cacheStep = database.prepare(
    "INSERT INTO image_steps (key, layer) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET layer = excluded.layer",
  );
  const removeUnusedSteps = database.prepare(
    `DELETE FROM image_steps WHERE layer IS NOT NULL AND layer NOT IN (${ofImages})`,
  );
  return {
    insert: (row) => void insert.run(row.id, row.sizeBytes, row.createdAt),
    get: (id) => {
      const columns = get.get(id);
      return columns === undefined ? undefined : layerOf(columns);
    },
    list: () => list.all().map(layerOf),
    cached: () => cached.all().map((row) => text(row.layer)),
    unused: () => unused.all().map(layerOf),
    remove: (id) => void remove.run(id),
    ofStep: (key) => {
      const columns = ofStep.get(key);
      return columns === undefined ? undefined : (maybeText(columns.layer) ?? null);
    },
    cacheStep: (key, layer) => void cacheStep.run(key, layer),
    removeUnusedSteps: () => void removeUnusedSteps.run(),
  };
}

function maybeImage(columns: Columns | undefined): ImageRow | undefined {
  return columns === undefined ? undefined : imageOf(columns);
}

function imageOf(columns: Columns): ImageRow {
  return {
    id: text(columns.id),
    recipe: maybeText(columns.recipe),
    layers: json(columns.layers),
    config: json(columns.config),
    origin: json(columns.origin),
    createdAt: number(columns.created_at),
    usedAt: number(columns.used_at),
    expiresAt: maybeNumber(columns.expires_at),
  };
}

function layerOf(columns: Columns): LayerRow {
  return { id: text(columns.id), sizeBytes: number(columns.size_bytes), createdAt: number(columns.created_at) };
}
