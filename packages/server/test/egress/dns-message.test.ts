import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { codes, decodeQuery, encodeAnswer, mostAddresses } from "../../src/egress/dns-message.ts";

/** As a resolver writes it: one question, recursion desired. */
function query(name: string, { type = 1, flags = 0x0100, questions = 1 } = {}): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const header = Buffer.from([0x12, 0x34, flags >> 8, flags & 255, 0, questions, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

test("a question is read in lower case, and answered in the case that it was asked in", () => {
  const asked = decodeQuery(query("aPi.Example.COM"));
  assert.ok(asked && "name" in asked);
  assert.deepEqual([asked.id, asked.name, asked.type, asked.class], [0x1234, "api.example.com", 1, 1]);
  const answer = encodeAnswer(asked, { code: codes.ok, addresses: ["192.0.2.7"], ttlSeconds: 30 });
  assert.ok(answer.includes("aPi"));
  assert.deepEqual([...answer.subarray(2, 12)], [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  assert.deepEqual([...answer.subarray(-16)], [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 7]);
});

test("an answer fits into a datagram of 512 bytes, however long the name and however many the addresses", () => {
  const label = "a".repeat(63);
  const asked = decodeQuery(query([label, label, label, "a".repeat(61)].join(".")));
  assert.ok(asked && "name" in asked);
  const addresses = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
  const answer = encodeAnswer(asked, { code: codes.ok, addresses });
  assert.ok(answer.length <= 512, `${answer.length}`);
  assert.equal(answer.readUInt16BE(6), mostAddresses);
});

test("answers are not answered, and what is no question of one name is refused", () => {
  const refusal = (bytes: Buffer) => decodeQuery(bytes);
  assert.equal(decodeQuery(query("a.test", { flags: 0x8180 })), undefined);
  assert.equal(decodeQuery(Buffer.alloc(11)), undefined);
  assert.deepEqual(refusal(query("a.test", { flags: 0x2800 })), { id: 0x1234, refusal: codes.notImplemented });
  assert.deepEqual(refusal(query("a.test", { questions: 2 })), { id: 0x1234, refusal: codes.malformed });
  assert.deepEqual(refusal(query("a.test").subarray(0, -1)), { id: 0x1234, refusal: codes.malformed });
  const pointing = Buffer.concat([query("a").subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]);
  assert.deepEqual(refusal(pointing), { id: 0x1234, refusal: codes.malformed });
  const endless = Buffer.concat([query("a").subarray(0, 12), Buffer.alloc(600, "\x01a")]);
  assert.deepEqual(refusal(endless), { id: 0x1234, refusal: codes.malformed });
});

test("a byte that no name of a host has never becomes part of one", () => {
  const asked = decodeQuery(query("api.example.com\0.test"));
  assert.ok(asked && "name" in asked);
  assert.equal(asked.name, "api.example.?.test");
});

test("no bytes make it throw or read beyond their end", () => {
  for (let turn = 0; turn < 20_000; turn += 1) {
    const bytes = turn % 2 === 0 ? randomBytes(turn % 80) : query("api.example.com");
    if (turn % 2 === 1)
      for (let flips = turn % 7; flips >= 0; flips -= 1) bytes[(turn * 31 + flips * 7) % bytes.length] = turn + flips;
    const asked = decodeQuery(bytes);
    if (asked && "name" in asked) assert.ok(encodeAnswer(asked, { code: codes.noSuchName }).length <= 12 + 259);
  }
});
