import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { sdkTypes, sdkTypesPath } from "../scripts/generate-sdk-types.ts";

test("the SDK's generated types are those of the table of routes", () => {
  assert.equal(
    readFileSync(sdkTypesPath, "utf8"),
    sdkTypes(),
    "stale: run `node packages/protocol/scripts/generate-sdk-types.ts`",
  );
});
