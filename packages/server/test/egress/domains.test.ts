import assert from "node:assert/strict";
import { test } from "node:test";
import { Forbidden, listOfIntervals } from "../../src/egress/forbidden.ts";
import { Domains, domainPattern, hostName } from "../../src/network/domains.ts";

test("names are compared in one way, and what is no name of a host is none", () => {
  assert.equal(domainPattern("API.Example.com."), "api.example.com");
  assert.equal(domainPattern("*.Example.com"), "*.example.com");
  assert.equal(domainPattern("bücher.example"), "xn--bcher-kva.example");
  assert.equal(hostName("localhost"), "localhost");
  for (const wrong of [
    "",
    "*",
    "*.",
    "a..b",
    "-a.test",
    "a-.test",
    "*.*.test",
    "a.*.test",
    "http://a.test",
    "a.test:443",
    "a.test/x",
    "a b.test",
    "192.0.2.1",
    "192.0.2",
    "0x7f.1",
    "2130706433",
    "::1",
    "[::1]",
    `${"a".repeat(64)}.test`,
    `${"a.".repeat(127)}test`,
  ])
    assert.equal(domainPattern(wrong), undefined, wrong);
});

test("a wildcard is for every name below, and not for the name itself nor for one that merely ends alike", () => {
  const domains = new Domains(["*.example.com", "api.test"]);
  assert.equal(domains.patternFor("a.example.com"), "*.example.com");
  assert.equal(domains.patternFor("a.b.example.com"), "*.example.com");
  for (const other of ["example.com", "badexample.com", "example.com.evil.test", "x.api.test", "test", "com"])
    assert.equal(domains.patternFor(other), undefined, other);
  assert.equal(domains.patternFor("api.test"), "api.test");
});

test("a name leads neither to the gateway's networks nor to private ones, unless a range allows these", () => {
  const forbidden = new Forbidden("10.231.0.0/16");
  const [none, some] = [listOfIntervals([]), listOfIntervals(["10.0.0.0-10.255.255.255", "192.168.1.7"])];
  for (const address of ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "10.231.4.5"])
    assert.ok(forbidden.isForbidden(address, some), address);
  for (const address of ["10.1.2.3", "172.20.0.1", "192.168.1.7", "100.64.0.1"])
    assert.ok(forbidden.isForbidden(address, none), address);
  for (const address of ["10.1.2.3", "192.168.1.7"]) assert.ok(!forbidden.isForbidden(address, some), address);
  assert.ok(forbidden.isForbidden("192.168.1.8", some));
  assert.ok(!forbidden.isForbidden("198.51.100.1", none));
});
