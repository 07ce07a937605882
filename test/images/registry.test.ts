import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AtollError, Image, InvalidError, NotFoundError, Sandbox, Secret } from "@atoll/sdk";
import { eachIsolation } from "../support/isolation.ts";
import { ociLayout, push, startRegistry, type TestLayer } from "../support/registry.ts";
import { useServer } from "../support/server.ts";

useServer();

function scratch(t: { after(undo: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), "atoll-oci-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Prints the names in the directories it is given; an image needs nothing else. */
const program = `#include <dirent.h>
#include <stdio.h>
int main(int n, char **v) {
  for (int i = 1; i < n; i++) {
    DIR *d = opendir(v[i]);
    for (struct dirent *e; d && (e = readdir(d));) if (e->d_name[0] != '.') puts(e->d_name);
  }
}`;

function layers(directory: string): TestLayer[] {
  const lower = join(directory, "lower");
  const upper = join(directory, "upper");
  mkdirSync(join(lower, "bin"), { recursive: true });
  mkdirSync(join(lower, "data/old"), { recursive: true });
  mkdirSync(join(upper, "data/old"), { recursive: true });
  execFileSync("cc", ["-static", "-o", join(lower, "bin/list"), "-x", "c", "-"], { input: program });
  for (const name of ["kept", "removed", "old/hidden"]) writeFileSync(join(lower, "data", name), name);
  writeFileSync(join(upper, "data/.wh.removed"), "");
  writeFileSync(join(upper, "data/old/.wh..wh..opq"), "");
  writeFileSync(join(upper, "data/old/new"), `${process.pid}.${performance.now()}`);
  const tar = (from: string) =>
    execFileSync("tar", ["-cf", "-", "--numeric-owner", "--owner=0", "--group=0", "-C", from, "."]);
  return [
    { tar: tar(lower), compression: "gzip" },
    { tar: tar(upper), compression: "zstd" },
  ];
}

const config = {
  Env: ["GREETING=hi"],
  WorkingDir: "/data",
  Cmd: ["/bin/list", "/data", "/data/old"],
  Labels: { a: "b" },
};

/** What the image's own command sees: the whiteouts of the upper layer hide names of the lower one. */
async function listed(image: string, isolation: "container" | "gvisor"): Promise<string[]> {
  await using sandbox = await Sandbox.create({ image, isolation });
  return (await sandbox.stdout.read())
    .split("\n")
    .filter((name) => name !== "")
    .sort();
}

eachIsolation((isolation) => {
  test("an image of a registry is pulled for this machine's platform, and runs with its own configuration", async (t) => {
    const directory = scratch(t);
    using registry = await startRegistry();
    const layout = join(directory, "oci");
    ociLayout(layout, layers(directory), config, true);
    push(layout, `${registry.host}/team/app:v1`);
    const image = await Image.pull(`${registry.host}/team/app:v1`);
    assert.deepEqual(image.config.labels, { a: "b" });
    assert.equal(image.config.env.GREETING, "hi");
    assert.equal(image.origin.kind, "pull");
    assert.deepEqual(await listed(image.id, isolation), ["kept", "new", "old"]);
    assert.equal((await Image.fromRegistry(`${registry.host}/team/app:v1`).build()).id, image.id);
    const more = await Image.fromRegistry(`${registry.host}/team/app:v1`).env({ MORE: "1" }).build();
    assert.deepEqual(more.layers, image.layers);
    await assert.rejects(Image.pull(`${registry.host}/team/app:v2`), NotFoundError);
  });
});

test("a private registry is pulled from with a login from a secret, and refuses without", async (t) => {
  const directory = scratch(t);
  using registry = await startRegistry({ user: "user", password: "pa:ss" });
  const layout = join(directory, "oci");
  ociLayout(layout, layers(directory), config);
  const reference = `${registry.host}/private:latest`;
  push(layout, reference, "user:pa:ss");
  const secret = `registry-${process.pid}`;
  await Secret.put(secret, { REGISTRY_USERNAME: "user", REGISTRY_PASSWORD: "pa:ss" });
  t.after(() => Secret.delete(secret));
  const refused = await Image.pull(reference).catch((thrown) => thrown);
  assert.ok(refused instanceof AtollError && refused.code === "permission_denied", String(refused));
  const image = await Image.pull(reference, { secret });
  assert.equal(image.layers.length, 2);
});

test("an OCI archive is imported, its layers are shared, and what is hostile or damaged is refused", async (t) => {
  const directory = scratch(t);
  const packed = layers(directory);
  const archive = (name: string, given: readonly TestLayer[]) => {
    const layout = join(directory, name);
    ociLayout(layout, given, config);
    execFileSync("tar", ["-cf", `${layout}.tar`, "-C", layout, "."]);
    return `${layout}.tar`;
  };
  const image = await Image.import(archive("good", packed), { name: `imported-${process.pid}` });
  assert.deepEqual(await listed(`imported-${process.pid}`, "container"), ["kept", "new", "old"]);
  assert.deepEqual((await Image.import(join(directory, "good.tar"))).layers, image.layers);
  // Docker's own form knows no zstd.
  archive(
    "plain",
    packed.map(({ tar }) => ({ tar, compression: "gzip" })),
  );
  execFileSync("skopeo", [
    ...["--insecure-policy", "copy", "--quiet", `oci:${join(directory, "plain")}`],
    `docker-archive:${join(directory, "saved.tar")}:team/app:v1`,
  ]);
  assert.deepEqual((await Image.import(join(directory, "saved.tar"))).layers, image.layers);
  const escaping = execFileSync("tar", [
    "-cPf",
    "-",
    "--transform",
    "s,^,../,",
    "-C",
    join(directory, "lower"),
    "data",
  ]);
  await assert.rejects(Image.import(archive("escaping", [{ tar: escaping, compression: "gzip" }])), InvalidError);
  const device = execFileSync("tar", ["-cf", "-", "-C", "/dev", "null"]);
  await assert.rejects(Image.import(archive("device", [{ tar: device, compression: "none" }])), /device node/);
  writeFileSync(join(directory, "text"), "not an archive at all".repeat(100));
  await assert.rejects(Image.import(join(directory, "text")), InvalidError);
  await Image.delete(image.id);
});
