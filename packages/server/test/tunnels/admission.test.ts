import assert from "node:assert/strict";
import { test } from "node:test";
import { admit, type HeaderLists, handedOn } from "../../src/tunnels/admission.ts";

const now = 1_000_000;
const grant = { sandboxId: "sb-1", port: 8000, metadata: "ada", expiresAt: now + 60_500 };
const check = (token: string) => (token === "good" ? grant : undefined);
const asked = (target: string, headers: HeaderLists = {}) => admit({ target, headers }, check, now);

test("a token is taken from the header first, then the query, then a cookie, and none is handed on", () => {
  for (const parameter of ["_atoll_connect_token", "_modal_connect_token"]) {
    const inQuery = asked(`/p?a=1&${parameter}=good&b=2`);
    assert.equal(inQuery?.target, "/p?a=1&b=2");
    const inCookie = asked("/p?a=1", { cookie: [`x=1; ${parameter}=good`, "y=2"] });
    assert.equal(inCookie?.headers.cookie, "x=1; y=2");
  }
  assert.deepEqual(asked("/", { authorization: ["Bearer good"] })?.headers, { "x-verified-user-data": "ada" });
  assert.equal(asked("/?_atoll_connect_token=good", { authorization: ["Bearer bad"] }), undefined);
  assert.equal(asked("/?_atoll_connect_token=bad", { cookie: ["_atoll_connect_token=good"] }), undefined);
  assert.equal(asked("/"), undefined);
});

test("a login of the service's own passes beside a token that comes otherwise", () => {
  const basic = asked("/?_atoll_connect_token=good", { authorization: ["Basic YTpi"] });
  assert.equal(basic?.headers.authorization, "Basic YTpi");
});

test("a cookie is set for a URL that bore the token, for as long as the token is valid, and not otherwise", () => {
  const { setCookie } = asked("/?_modal_connect_token=good") ?? {};
  assert.equal(setCookie, "_atoll_connect_token=good; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
  assert.equal(asked("/", { cookie: ["_atoll_connect_token=good"] })?.setCookie, undefined);
  assert.equal(asked("/?_atoll_connect_token=good", { authorization: ["Bearer good"] })?.setCookie, undefined);
});

test("no spelling of the verified header comes from a client, whether the token has metadata or not", () => {
  const forged = { "x-verified-user-data": ["root"], x_verified_user_data: ["root"], "x-verified_user-data": ["root"] };
  const headers = { authorization: ["Bearer good"], ...forged };
  assert.deepEqual(asked("/", headers)?.headers, { "x-verified-user-data": "ada" });
  const { metadata: _none, ...bare } = grant;
  assert.deepEqual(admit({ target: "/", headers }, () => bare, now)?.headers, {});
});

test("headers of one connection alone are not handed on, by name or by the connection header", () => {
  const given = {
    connection: ["keep-alive, X-Own"],
    "x-own": ["1"],
    te: ["trailers"],
    upgrade: ["h2c"],
    accept: ["a", "b"],
  };
  assert.deepEqual(handedOn(given), [["accept", ["a", "b"]]]);
});
