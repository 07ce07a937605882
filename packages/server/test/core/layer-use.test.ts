import assert from "node:assert/strict";
import { test } from "node:test";
import { layerUse } from "../../src/disk/layer-use.ts";

const layer = (id: string, sizeBytes: number) => ({ id, sizeBytes, createdAt: 1 });

test("a layer counts once in each entry, as shared when two own it, and for the build cache when nothing does", () => {
  const entries = layerUse({
    layers: [layer("a", 1), layer("b", 10), layer("c", 100), layer("d", 1000), layer("e", 10_000), layer("f", 100_000)],
    images: [
      { layers: ["base-1", "a", "b"], origin: { kind: "build" } },
      { layers: ["base-1", "a"], origin: { kind: "build" } },
      { layers: ["base-1", "a", "c"], origin: { kind: "snapshot" } },
    ],
    volumes: [{ layers: ["d"] }, { layers: [] }],
    cached: ["a", "e", "gone"],
  });
  assert.deepEqual(entries, [
    { kind: "images", count: 2, sizeBytes: 11, sharedBytes: 1 },
    { kind: "snapshots", count: 1, sizeBytes: 101, sharedBytes: 1 },
    { kind: "build_cache", count: 1, sizeBytes: 10_000, sharedBytes: 0 },
    { kind: "volumes", count: 2, sizeBytes: 1000, sharedBytes: 0 },
    { kind: "other_layers", count: 1, sizeBytes: 100_000, sharedBytes: 0 },
  ]);
});
