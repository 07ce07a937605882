/** Addresses at which the official clients put and get what is too large for a message. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useServer } from "../support/server.ts";

useServer();

test("nothing comes or goes at an address that the server did not sign", async () => {
  for (const [method, path] of [
    ["PUT", "blobs"],
    ["PUT", "blocks"],
    ["GET", "blocks"],
  ] as const) {
    for (const query of ["", "?token=", "?token=a.b.c", "?token=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.AA"]) {
      const body = method === "PUT" ? "content" : null;
      const response = await fetch(`${process.env.ATOLL_URL}/modal/${path}${query}`, { method, body });
      assert.equal(response.status, 401, `${method} ${path}${query}`);
      const { error } = await response.json();
      assert.equal(error.code, "unauthenticated");
    }
  }
});
