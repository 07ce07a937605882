import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileListTree } from "../../src/images/archive-tree.ts";
import { layoutFiles } from "../../src/images/registry/oci-layout.ts";
import { readImage } from "../../src/images/registry/read-image.ts";

const config = {
  env: { A: "1", B: "x=y" },
  workdir: "/srv",
  user: "app",
  entrypoint: ["/app"],
  cmd: ["serve"],
  shell: ["/bin/bash", "-c"],
  labels: { a: "b" },
  ports: ["80/tcp"],
};
const layers = ["one", "two"].map((text) => ({
  digest: `sha256:${createHash("sha256").update(text).digest("hex")}`,
  sizeBytes: text.length,
}));
const image = { config, createdAt: "2020-01-01T00:00:00.000Z", names: ["team/App:v1", "team/app:v1", "app"] };

function fileOf(name: string, files = layoutFiles(image, layers)) {
  return JSON.parse(files.find((file) => file.name === name)?.bytes.toString() ?? "null");
}

test("a layout says of an image all that we know of it, and is read back as it was", async () => {
  const contents = new Map(layoutFiles(image, layers).map(({ name, bytes }) => [name, bytes]));
  for (const [index, { digest }] of layers.entries()) {
    contents.set(`blobs/${digest.replace(":", "/")}`, Buffer.from(index === 0 ? "one" : "two"));
  }
  const listed = [...contents].map(([path, { length }]) => ({ path, mode: 0o644, sizeBytes: length, digest: path }));
  const tree = fileListTree(listed, async function* (path) {
    yield contents.get(path) ?? Buffer.alloc(0);
  });
  const read = await readImage(tree);
  assert.deepEqual(read.config, config);
  assert.deepEqual(
    read.layers.map(({ diffId }) => diffId),
    layers.map(({ digest }) => digest),
  );
});

test("names that registries could not have are left out, and the first other one is how Docker calls it", () => {
  const [manifest] = fileOf("index.json").manifests;
  assert.deepEqual(manifest.annotations, {
    "io.containerd.image.name": "docker.io/team/app:v1",
    "org.opencontainers.image.ref.name": "v1",
  });
  const [saved] = fileOf("manifest.json");
  assert.deepEqual(saved.RepoTags, ["docker.io/team/app:v1", "docker.io/library/app:latest"]);
  const nameless = layoutFiles({ ...image, names: [] }, layers);
  assert.equal(fileOf("index.json", nameless).manifests[0].annotations, undefined);
});
