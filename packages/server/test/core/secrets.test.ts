import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sealWith, secretKey } from "../../src/secrets/seal.ts";
import { Secrets } from "../../src/secrets/secrets.ts";
import { openSqlite } from "../../src/store/sqlite.ts";
import { Tokens } from "../../src/tokens/tokens.ts";
import { temporaryDirectory, undoAfter } from "../support/state.ts";

test("a sealed value opens with its key and purpose only, and not when a bit was changed", () => {
  const seal = sealWith(randomBytes(32));
  const sealed = seal.close("value", "secret a");
  assert.equal(seal.open(sealed, "secret a"), "value");
  assert.throws(() => seal.open(sealed, "secret b"));
  assert.throws(() => sealWith(randomBytes(32)).open(sealed, "secret a"));
  for (let index = 0; index < sealed.length; index += 1) {
    const changed = Uint8Array.from(sealed);
    changed[index] = (changed[index] ?? 0) ^ 1;
    assert.throws(() => seal.open(changed, "secret a"));
  }
});

test("sealing the same value twice gives different bytes", () => {
  const seal = sealWith(randomBytes(32));
  assert.notDeepEqual(seal.close("value", "p"), seal.close("value", "p"));
});

test("the key file is made once, readable by its user alone", (t) => {
  const directory = temporaryDirectory(t);
  const key = secretKey(undefined, directory);
  assert.equal(key.length, 32);
  assert.deepEqual(secretKey(undefined, directory), key);
  assert.equal(statSync(join(directory, "secret.key")).mode & 0o777, 0o600);
});

test("a key that is no 32 bytes of base64 is refused, and where it came from is said", (t) => {
  const directory = temporaryDirectory(t);
  assert.throws(() => secretKey("c2hvcnQ=", directory), /ATOLL_SECRET_KEY.*32 bytes/);
  writeFileSync(join(directory, "secret.key"), "");
  assert.throws(() => secretKey(undefined, directory), /secret\.key/);
});

test("secrets of one key cannot be read with another, and later ones win", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  const secrets = new Secrets(store, sealWith(randomBytes(32)));
  secrets.put("a", { X: "1", Y: "1" });
  secrets.put("b", { Y: "2" });
  assert.deepEqual(secrets.environment(["a", "b"]), { X: "1", Y: "2" });
  assert.deepEqual(secrets.get("a").keys, ["X", "Y"]);
  assert.throws(() => new Secrets(store, sealWith(randomBytes(32))).environment(["a"]));
  secrets.remove("a");
  assert.throws(() => secrets.environment(["a"]), { code: "not_found" });
});

test("a secret without a name is found by its id alone, and removed when it was not used for a month", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  const secrets = new Secrets(store, sealWith(randomBytes(32)));
  const { id, name } = secrets.create({ X: "1" });
  assert.equal(name, undefined);
  assert.deepEqual(secrets.list(), []);
  assert.deepEqual(secrets.environment([id]), { X: "1" });
  const kept = secrets.put("kept", { X: "2" });
  assert.deepEqual(secrets.environment([kept.id]), { X: "2" });
  assert.equal(secrets.put("kept", { Y: "3" }).id, kept.id);
  const day = 24 * 3_600_000;
  secrets.removeUnused(Date.now() + 29 * day);
  assert.deepEqual(secrets.get(id).keys, ["X"]);
  secrets.removeUnused(Date.now() + 31 * day);
  assert.throws(() => secrets.get(id), { code: "not_found" });
  assert.deepEqual(secrets.environment(["kept"]), { Y: "3" });
  assert.throws(() => secrets.put(id, {}), { code: "invalid_argument" });
});

test("keys of a secret are set and removed, and the others stay", (t) => {
  const store = openSqlite(join(temporaryDirectory(t), "atoll.db"));
  undoAfter(t, () => store.close());
  const secrets = new Secrets(store, sealWith(randomBytes(32)));
  secrets.put("a", { X: "1", Y: "1" });
  assert.deepEqual(secrets.update("a", { set: { Z: "2" }, unset: ["X", "none"] }).keys, ["Y", "Z"]);
  assert.deepEqual(secrets.environment(["a"]), { Y: "1", Z: "2" });
  const { id } = secrets.create({});
  assert.deepEqual(secrets.update(id, { set: { A: "1" } }).keys, ["A"]);
  assert.throws(() => secrets.update("none", {}), { code: "not_found" });
});

test("a token is valid until it is removed, and only its hash is stored", (t) => {
  const directory = temporaryDirectory(t);
  const store = openSqlite(join(directory, "atoll.db"));
  const tokens = new Tokens(store);
  const { id, token } = tokens.create("ci");
  assert.equal(tokens.isValid(token), true);
  assert.equal(tokens.isValid(`${token}x`), false);
  assert.equal(tokens.isValid(""), false);
  assert.ok(tokens.list()[0]?.lastUsedAt);
  tokens.remove(id);
  assert.equal(tokens.isValid(token), false);
  assert.throws(() => tokens.remove(id), { code: "not_found" });
  const kept = tokens.create("kept").token;
  store.close();
  assert.ok(!readFileSync(join(directory, "atoll.db")).includes(kept));
});

test("the local token is kept over restarts, readable by its user alone, and made anew when it is lost or revoked", (t) => {
  const directory = temporaryDirectory(t);
  const store = openSqlite(join(directory, "atoll.db"));
  undoAfter(t, () => store.close());
  const tokens = new Tokens(store);
  const local = () => readFileSync(join(directory, "token"), "utf8").trim();
  tokens.ensureLocal(directory);
  const first = local();
  assert.equal(statSync(join(directory, "token")).mode & 0o777, 0o600);
  tokens.ensureLocal(directory);
  assert.equal(local(), first);
  writeFileSync(join(directory, "token"), "wrong");
  tokens.ensureLocal(directory);
  assert.notEqual(local(), first);
  assert.equal(tokens.isValid(first), false);
  assert.equal(tokens.isValid(local()), true);
});
