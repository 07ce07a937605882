import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asked, asked, askedToConnect } from "../../src/egress/asked.ts";

function forServer(url: string, hosts: string[], port = 80, portWithin?: number): Asked {
  return asked({ url, hosts, port, portWithin });
}

test("a request is for its Host on the port it came to, and for its URL's server when it has one", () => {
  assert.deepEqual(forServer("/a?b", ["Api.test"]), { name: "Api.test", port: 80, host: "Api.test", path: "/a?b" });
  assert.deepEqual(forServer("/", ["api.test:8080"]).port, 80);
  assert.deepEqual(forServer("http://api.test:8080/a", ["other.test"], 3128), {
    name: "api.test",
    port: 8080,
    host: "api.test:8080",
    path: "/a",
  });
  assert.equal(forServer("http://api.test?q", ["api.test"], 3128).path, "/?q");
  assert.equal(forServer("/", ["api.test"], 3128, 443).port, 443);
  assert.deepEqual(askedToConnect("api.test:443"), { name: "api.test", port: 443 });
});

test("what two readers could read in two ways is no request", () => {
  const wrong: [string, string[], number?][] = [
    ["/", []],
    ["/", ["a.test", "b.test"]],
    ["/", ["a.test@b.test"]],
    ["/", ["a.test b.test"]],
    ["/", ["a.test/b"]],
    ["/", ["a.test:99999"]],
    ["/", [""]],
    ["a.test/", ["a.test"]],
    ["https://a.test/", ["a.test"], 3128],
    ["http://user@a.test/", ["a.test"], 3128],
    ["http://a.test\\@b.test/", ["a.test"], 3128],
    ["/", ["a.test"], 3128],
  ];
  for (const [url, hosts, port] of wrong) assert.throws(() => forServer(url, hosts, port), /cannot understand/, url);
  for (const authority of ["a.test", "a.test:0", ":443", "http://a.test:80"])
    assert.throws(() => askedToConnect(authority), /cannot understand/, authority);
});
