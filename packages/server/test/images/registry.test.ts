import assert from "node:assert/strict";
import { test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { authFile } from "../../src/images/registry/credentials.ts";
import { mapped, parseImageMap, standIns } from "../../src/images/registry/image-map.ts";
import { configOf } from "../../src/images/registry/oci-config.ts";
import { fullReference, isLoopback, parseReference } from "../../src/images/registry/reference.ts";
import { failure } from "../../src/images/registry/skopeo.ts";

const digest = `sha256:${"0a".repeat(32)}`;
const full = (text: string) => fullReference(parseReference(text));

test("a reference is read as Docker reads it", () => {
  assert.equal(full("python"), "docker.io/library/python:latest");
  assert.equal(full("team/app:v1"), "docker.io/team/app:v1");
  assert.equal(full("docker.io/python:3"), "docker.io/library/python:3");
  assert.equal(full("localhost/app"), "localhost/app:latest");
  assert.equal(full("registry.example:5000/a/b/c:1.0_x"), "registry.example:5000/a/b/c:1.0_x");
  assert.equal(full("[::1]:5000/app"), "[::1]:5000/app:latest");
  assert.equal(full(`app@${digest}`), `docker.io/library/app@${digest}`);
  assert.equal(full(`app:v1@${digest}`), `docker.io/library/app:v1@${digest}`);
});

test("what no registry could have is refused", () => {
  for (const text of [
    "",
    "Upper",
    "a//b",
    "/a",
    "a:",
    "a:b:c",
    "a@sha256:12",
    "-a",
    "a b",
    "http://a/b",
    "a.b:x/c",
    "../a",
  ])
    assert.throws(() => parseReference(text), { code: "invalid_argument" }, text);
});

test("only addresses of this machine itself are loopback", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000"])
    assert.equal(isLoopback(parseReference(`${host}/a`)), true, host);
  for (const host of ["localhost.example", "10.0.0.1:5000", "127.0.0.1.example", "registry.example"])
    assert.equal(isLoopback(parseReference(`${host}/a`)), false, host);
});

test("the first entry of an image map that fits is used, and a star is carried over", () => {
  const map = parseImageMap(
    "python:3.12=base, python:*-alpine=own:*, team/*=mirror.example/t/*, r.example/a*=base, *=mirror.example/*,",
  );
  const to = (text: string) => mapped(map, full(text));
  assert.equal(to("python:3.12"), "base");
  assert.equal(to("docker.io/library/python:3.11-alpine"), "own:3.11");
  assert.equal(to("team/app:v1"), "mirror.example/t/app:v1");
  assert.equal(to("r.example/abc"), "base");
  assert.equal(to("r.example/b:1"), "mirror.example/r.example/b:1");
  assert.equal(mapped(parseImageMap("python:3.12=base"), full("python:3.13")), undefined);
  // What the star stands for is not taken for a pattern itself.
  assert.equal(mapped([{ from: "*", to: "x/*" }], "a$&b"), "x/a$&b");
});

test("the ends of an entry with a star in its middle do not overlap", () => {
  const map = parseImageMap("a:1*1=base");
  assert.equal(mapped(map, full("a:1")), undefined);
  assert.equal(mapped(map, full("a:11")), "base");
});

test("an entry that cannot be used is named", () => {
  for (const entry of ["python", "=base", "python=", "a=b=c", "a*b*=c", "a=b*", "a*=b**", "A=base"])
    assert.throws(
      () => parseImageMap(`python:3=base,${entry}`),
      new RegExp(entry.replaceAll("*", "\\*").split("=")[0] ?? ""),
    );
});

test("the base image stands in for Debian and Python where no registry is reached, and for nothing else", () => {
  for (const text of ["python:3.12-slim", "python:3.11.10-slim-bookworm", "debian:bookworm-slim"])
    assert.equal(mapped(standIns, full(text)), "base", text);
  for (const text of ["python:2.7-slim", "python:3.12-alpine", "alpine:3.21", "other/python:3.12-slim", "debian"])
    assert.equal(mapped(standIns, full(text)), undefined, text);
});

test("what is well formed of an image's configuration is kept, the rest left out", () => {
  const config = {
    Env: ["A=1", "B=x=y\nz", "1bad=x", "none"],
    WorkingDir: "/srv",
    User: "app:app",
    Entrypoint: ["/bin/app"],
    Cmd: ["serve"],
    Shell: ["/bin/bash", "-c"],
    Labels: { a: "b", c: 1 },
    ExposedPorts: { "80/tcp": {} },
  };
  assert.deepEqual(configOf({ config }), {
    env: { A: "1", B: "x=y\nz" },
    workdir: "/srv",
    user: "app:app",
    entrypoint: ["/bin/app"],
    cmd: ["serve"],
    shell: ["/bin/bash", "-c"],
    labels: { a: "b" },
    ports: ["80/tcp"],
  });
  const odd = {
    Env: "A=1",
    WorkingDir: "relative",
    User: 0,
    Entrypoint: "sh",
    Cmd: [],
    Labels: ["x"],
    ExposedPorts: null,
  };
  assert.deepEqual(configOf({ config: odd }), { env: {} });
  assert.deepEqual(configOf({ config: null }), { env: {} });
});

test("a secret's login becomes what the registry's client reads, and one without a login is refused", () => {
  const auth = (host: string, values: Record<string, string>) => JSON.parse(authFile(host, "secret", values)).auths;
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  assert.deepEqual(auth("r.example:5000", { REGISTRY_USERNAME: "u", REGISTRY_PASSWORD: "p:w" }), {
    "r.example:5000": { auth: base64("u:p:w") },
  });
  assert.deepEqual(auth("docker.io", { REGISTRY_USERNAME: "u", REGISTRY_PASSWORD: "" }), {
    "https://index.docker.io/v1/": { auth: base64("u:") },
  });
  assert.deepEqual(auth("g.example", { SERVICE_ACCOUNT_JSON: "{}" }), {
    "g.example": { auth: base64("_json_key:{}") },
  });
  assert.throws(
    () => authFile("r.example", "half", { REGISTRY_USERNAME: "u" }),
    (error) => error instanceof AtollError && error.code === "invalid_argument" && /half/.test(error.message),
  );
});

test("what skopeo says becomes an error that says what to do", () => {
  const said = (msg: string) => failure("pull x", `time="t" level=fatal msg="${msg}"\n`);
  assert.equal(said("requested access to the resource is denied").code, "permission_denied");
  assert.equal(said("reading manifest v2: manifest unknown").code, "not_found");
  assert.equal(said("write /x: no space left on device").code, "capacity");
  assert.equal(said("no image found in image index for architecture amd64").code, "invalid_argument");
  const unreached = said('pinging: Get \\"https://r/v2/\\": no such host');
  assert.equal(unreached.code, "unavailable");
  assert.equal(unreached.message, 'cannot pull x: pinging: Get "https://r/v2/": no such host');
});
