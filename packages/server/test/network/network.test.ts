import assert from "node:assert/strict";
import { test } from "node:test";
import { parseResolver, resolvConf } from "../../src/network/resolver.ts";
import { gatewayRules } from "../../src/network/rules.ts";
import { freeSubnet, overlaps, slotLimit, subnet } from "../../src/network/subnet.ts";

test("addresses of slots begin above those of the gateway's own link and stay inside the subnet", () => {
  const { cidr, hostAddress, gatewayUplink, slotAddress } = subnet("10.231.0.0/16");
  assert.deepEqual([hostAddress, gatewayUplink], ["10.231.0.1", "10.231.0.2"]);
  assert.deepEqual(
    [slotAddress(0), slotAddress(256), slotAddress(slotLimit - 1)],
    ["10.231.1.0", "10.231.2.0", "10.231.255.254"],
  );
  assert.ok(overlaps(cidr, slotAddress(slotLimit - 1)));
});

test("anything but a /16 is refused with an example", () => {
  for (const wrong of ["10.231.0.0/24", "10.231.1.0/16", "300.1.0.0/16", "fd00::/64", ""])
    assert.throws(() => subnet(wrong), /must be a \/16 such as/);
});

test("networks overlap when one contains the other, and not when they are neighbours", () => {
  assert.ok(overlaps("10.0.0.0/8", "10.231.0.0/16"));
  assert.ok(overlaps("10.231.4.5", "10.231.0.0/16"));
  assert.ok(overlaps("0.0.0.0/0", "10.231.0.0/16"));
  assert.ok(!overlaps("10.230.0.0/16", "10.231.0.0/16"));
  assert.ok(!overlaps("fe80::/64", "10.231.0.0/16"));
});

test("servers with different seeds take different subnets, and each finds the last one that is free", () => {
  assert.notEqual(freeSubnet(1, []), freeSubnet(2, []));
  const routed = Array.from({ length: 64 }, (_, index) => `10.${192 + index}.0.0/16`);
  for (const seed of [0, 1, 0xffff_ffff]) {
    const others = routed.filter((cidr) => cidr !== "10.200.0.0/16");
    assert.equal(freeSubnet(seed, others), "10.200.0.0/16");
    assert.equal(freeSubnet(seed, routed), undefined);
  }
});

test("no subnet is taken that a name server is in, since the machine would not reach it any more", () => {
  const first = freeSubnet(63, []);
  assert.equal(first, "10.255.0.0/16");
  assert.equal(freeSubnet(63, ["10.255.255.53", "fd00::53"]), "10.192.0.0/16");
});

test("name servers on loopback are not passed on, and search domains are", () => {
  const parsed = parseResolver(
    "# note\nnameserver 127.0.0.53\nnameserver 192.0.2.1\nnameserver ::1\nsearch a.example b.example\n",
  );
  assert.deepEqual(parsed, { nameServers: ["192.0.2.1"], search: ["a.example", "b.example"] });
  assert.equal(resolvConf(parsed), "nameserver 192.0.2.1\nsearch a.example b.example\n");
  assert.equal(resolvConf({ nameServers: [], search: [] }), "");
});

test("a name server inside a forbidden range stays reachable on port 53 alone", () => {
  const text = gatewayRules({
    slotPrefix: "slot",
    uplink: "uplink",
    hostAddress: "10.231.0.1",
    subnet: "10.231.0.0/16",
    nameServers: ["169.254.169.253", "fd00::1"],
    services: [],
  });
  const exception = text.indexOf("169.254.169.253 } meta l4proto { tcp, udp } th dport 53 goto by_policy");
  const refusal = text.indexOf("169.254.0.0/16");
  assert.ok(exception > 0 && exception < refusal);
  assert.ok(!text.includes("fd00::1"));
});
