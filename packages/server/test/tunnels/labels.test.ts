import assert from "node:assert/strict";
import { test } from "node:test";
import { labelOf, tunnelKey } from "../../src/tunnels/labels.ts";

const key = tunnelKey(Buffer.alloc(32, 1));

test("a label is a name of DNS, the same each time, and another for each sandbox, port and key", () => {
  const labels = [
    labelOf(key, "sb-1", 80),
    labelOf(key, "sb-1", 8080),
    labelOf(key, "sb-1", undefined),
    labelOf(key, "sb-2", 80),
    labelOf(tunnelKey(Buffer.alloc(32, 2)), "sb-1", 80),
  ];
  for (const label of labels) assert.match(label, /^[a-z2-7]{26}$/);
  assert.equal(new Set(labels).size, labels.length);
  assert.equal(labelOf(tunnelKey(Buffer.alloc(32, 1)), "sb-1", 80), labels[0]);
});
