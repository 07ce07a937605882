import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { existsSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { encryption } from "../../src/api/encryption.ts";
import { serverCertificate } from "../../src/certificates/server-certificate.ts";
import { configFrom } from "../../src/config.ts";
import { temporaryDirectory } from "../support/state.ts";

const log = pino({ level: "silent" });

test("a certificate for this machine's names is made when it is first asked for, and kept", (t) => {
  const directory = temporaryDirectory(t);
  const config = configFrom({ ATOLL_ISSUER: "https://atoll.example.com", ATOLL_LISTEN: "0.0.0.0:0" });
  const pair = encryption(config, directory, log);
  assert.ok(!existsSync(join(directory, "certificates")));
  const certificate = new X509Certificate(pair().cert);
  for (const name of ["localhost", "atoll.example.com"]) assert.equal(certificate.checkHost(name), name);
  for (const address of ["127.0.0.1", "::1"]) assert.ok(certificate.checkIP(address));
  assert.equal(certificate.checkHost("0.0.0.0"), undefined);
  assert.equal(statSync(join(directory, "certificates/api/server.pem")).mode & 0o777, 0o600);
  assert.deepEqual(encryption(config, directory, log)().cert, pair().cert);
  const other = configFrom({ ATOLL_ISSUER: "https://other.example.com" });
  assert.notDeepEqual(encryption(other, directory, log)().cert, pair().cert);
});

test("files of one's own are used, read again when renewed, and not while they do not fit together", async (t) => {
  const directory = temporaryDirectory(t);
  const [chain, key] = [join(directory, "chain.pem"), join(directory, "key.pem")];
  const [first, second] = ["a", "b"].map((name) => serverCertificate(join(directory, name), ["localhost"]));
  const put = (file: string, text = "") => {
    writeFileSync(file, text);
    utimesSync(file, new Date(), new Date(Date.now() + Math.random() * 1e6));
  };
  put(chain, first?.certificate);
  put(key, first?.key);
  const pair = encryption(configFrom({ ATOLL_CERTIFICATE: chain, ATOLL_KEY: key }), directory, log);
  assert.equal(String(pair().cert), first?.certificate);
  put(chain, second?.certificate);
  await sleep(1100);
  assert.equal(String(pair().cert), first?.certificate);
  put(key, second?.key);
  await sleep(1100);
  assert.equal(String(pair().cert), second?.certificate);
});

test("half a pair, and files that are none, are refused by name", (t) => {
  assert.throws(() => configFrom({ ATOLL_CERTIFICATE: "/chain.pem" }), /name both files/);
  const config = configFrom({ ATOLL_CERTIFICATE: "/no/chain.pem", ATOLL_KEY: "/no/key.pem" });
  assert.throws(() => encryption(config, temporaryDirectory(t), log), /chain\.pem/);
});
