import assert from "node:assert/strict";
import { test } from "node:test";
import { hostServices, hostsLines, offered } from "../../src/network/host-services.ts";
import { subnet } from "../../src/network/subnet.ts";

test("services of the host are read, get addresses that no slot has, and are named in the hosts file", () => {
  const services = hostServices("registry=127.0.0.1:5000, db=192.0.2.5:5432");
  assert.deepEqual(services, [
    { name: "registry", address: "127.0.0.1", port: 5000 },
    { name: "db", address: "192.0.2.5", port: 5432 },
  ]);
  const { reservedAddress } = subnet("10.231.0.0/16");
  assert.deepEqual(hostsLines(offered(services, reservedAddress)), [
    "10.231.0.16 registry.host.internal",
    "10.231.0.17 db.host.internal",
  ]);
  assert.deepEqual(hostServices(""), []);
});

test("a service of the host that is none is refused by name", () => {
  for (const wrong of [
    "registry",
    "registry=127.0.0.1",
    "Registry=127.0.0.1:1",
    "r=127.0.0.1:0",
    "r=127.0.0.1:65536",
    "r=1.2.3:4",
    "r=::1:5",
    "r=1.2.3.4:5;6",
  ])
    assert.throws(
      () => hostServices(`ok=127.0.0.1:1,${wrong}`),
      (error: Error) => error.message.includes(`${wrong} is none`),
    );
  assert.throws(() => hostServices("a=127.0.0.1:1,a=127.0.0.1:2"), /names a twice/);
  const many = Array.from({ length: 65 }, (_, index) => `s${index}=127.0.0.1:1`).join();
  assert.throws(() => hostServices(many), /more than 64/);
});
