import assert from "node:assert/strict";
import { test } from "node:test";
import { interval, merged, range } from "../../src/network/cidr.ts";
import { changes, clientPolicy, open, outbound } from "../../src/network/outbound.ts";
import { outboundsOf } from "../../src/network/policies.ts";

test("a range has its first and last address, in both families", () => {
  assert.deepEqual(range("192.0.2.0/30"), { family: 4, first: 0xc0_00_02_00n, last: 0xc0_00_02_03n });
  assert.deepEqual(range("0.0.0.0/0"), { family: 4, first: 0n, last: 0xffff_ffffn });
  assert.deepEqual(range("::1"), { family: 6, first: 1n, last: 1n });
  assert.deepEqual(range("2001:db8::/127"), {
    family: 6,
    first: 0x2001_0db8n << 96n,
    last: (0x2001_0db8n << 96n) + 1n,
  });
  assert.deepEqual(range("::ffff:192.0.2.1"), { family: 6, first: 0xffff_c000_0201n, last: 0xffff_c000_0201n });
});

test("what is no range is none", () => {
  for (const wrong of [
    "",
    "x/8",
    "10.0.0.0/33",
    "10.0.0.1/8",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "::1/129",
    "fe80::1%eth0",
    "1.2.3",
  ])
    assert.equal(range(wrong), undefined, wrong);
});

test("ranges that overlap, contain or touch one another become one", () => {
  const ranges = ["10.1.0.0/16", "192.0.2.128/25", "10.0.0.0/8", "192.0.2.0/25", "198.51.100.7"].flatMap(
    (cidr) => range(cidr) ?? [],
  );
  assert.deepEqual(merged(ranges).map(interval), ["10.0.0.0-10.255.255.255", "192.0.2.0-192.0.2.255", "198.51.100.7"]);
});

test("a wrong range and a combination that cannot be are refused by name", () => {
  assert.throws(() => outbound({ outboundCidrAllowlist: ["10.0.0.0/8", "not-an-ip/8"] }), /invalid CIDR: not-an-ip\/8/);
  assert.throws(
    () => outbound({ blockNetwork: true, outboundCidrAllowlist: [] }),
    /blockNetwork and outboundCidrAllowlist/,
  );
  assert.throws(
    () => outbound({ blockNetwork: true, outboundDomainAllowlist: ["a.test"] }),
    /blockNetwork and outboundDomainAllowlist/,
  );
  assert.throws(
    () => outbound({ outboundDomainAllowlist: ["a.test", "https://b.test"] }),
    /outboundDomainAllowlist: invalid domain: https:\/\/b.test/,
  );
});

test("a change takes away what is not allowed any more, adds what is new, and touches nothing else", () => {
  const from = outbound({ outboundCidrAllowlist: ["10.0.0.0/8", "192.0.2.0/24"] });
  const to = outbound({ outboundCidrAllowlist: ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"] });
  assert.deepEqual(changes("slot7", from, to), [
    'delete element inet atoll allowed { "slot7" . 10.0.0.0-10.255.255.255 }',
    'add element inet atoll allowed { "slot7" . 198.51.100.0-198.51.100.255 }',
  ]);
  assert.deepEqual(changes("slot7", open, outbound({ blockNetwork: true })), [
    'delete element inet atoll joined { "slot7" }',
    'delete element inet atoll open { "slot7" }',
  ]);
  assert.deepEqual(changes("slot7", open, open), []);
  assert.equal(changes("slot7", undefined, open).length, 2);
  assert.deepEqual(changes("slot7", open, undefined), [
    `delete element inet atoll joined { "slot7" }`,
    `delete element inet atoll open { "slot7" }`,
  ]);
  const member = { ...outbound({ blockNetwork: true }), network: 7 };
  assert.deepEqual(changes("slot7", undefined, member), [
    'add element inet atoll network { "slot7" : 7 }',
    'add element inet atoll members { "slot7" . 7 }',
  ]);
  assert.deepEqual(changes("slot7", member, outbound({ blockNetwork: true })), [
    'delete element inet atoll network { "slot7" : 7 }',
    'delete element inet atoll members { "slot7" . 7 }',
  ]);
});

test("names go through the egress program, ranges do not, and an empty list of names lets nothing out", () => {
  assert.deepEqual(outbound({ outboundDomainAllowlist: [] }), { mode: "listed", intervals: [], isProxied: false });
  assert.equal(clientPolicy({ outboundDomainAllowlist: [] }, []), undefined);
  const both = { outboundCidrAllowlist: ["192.0.2.0/24"], outboundDomainAllowlist: ["A.test"] };
  assert.deepEqual(clientPolicy(both, []), { domains: ["a.test"], rules: [], intervals: ["192.0.2.0-192.0.2.255"] });
  assert.deepEqual(changes("slot7", outbound({ outboundCidrAllowlist: ["192.0.2.0/24"] }), outbound(both)), [
    'add element inet atoll named { "slot7" }',
    'add element inet atoll proxied { "slot7" }',
  ]);
});

test("what nft lists is read back as what was added", () => {
  const set = (name: string, elem: unknown[]) => ({ set: { name, elem } });
  const listed = [
    set("joined", ["slot1", "slot2"]),
    set("open", ["slot1"]),
    set("proxied", ["slot2"]),
    set("allowed", [
      { concat: ["slot2", { prefix: { addr: "10.0.0.0", len: 8 } }] },
      { concat: ["slot2", { range: ["192.0.2.1", "192.0.2.5"] }] },
      { concat: ["slot2", "198.51.100.7"] },
    ]),
    set("members", [{ concat: ["slot2", 7] }, { concat: ["slot3", 7] }]),
    {
      map: {
        name: "network",
        elem: [
          ["slot2", 7],
          ["slot3", 7],
        ],
      },
    },
  ];
  assert.deepEqual(Object.fromEntries(outboundsOf(JSON.stringify({ nftables: [{ metainfo: {} }, ...listed] }))), {
    slot1: { ...open, network: undefined },
    slot2: {
      mode: "listed",
      intervals: ["10.0.0.0-10.255.255.255", "192.0.2.1-192.0.2.5", "198.51.100.7"],
      isProxied: true,
      network: 7,
    },
    slot3: { mode: "blocked", intervals: [], isProxied: false, network: 7 },
  });
});
