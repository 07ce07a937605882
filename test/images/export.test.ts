/** Images and snapshots that leave the server, and what other tools make of them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Image, InvalidError, type Isolation, NotFoundError, Sandbox, Secret } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { eachIsolation, shell } from "../support/isolation.ts";
import { needPackages } from "../support/packages.ts";
import { startRegistry } from "../support/registry.ts";
import { useServer } from "../support/server.ts";

useServer();
needPackages({ "/usr/bin/umoci": "umoci", "/usr/bin/busybox": "busybox-static" });

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "atoll-export-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Two layers, the upper of which takes away from the lower one; small, so that nothing here takes long. */
const small = Image.fromScratch()
  .addLocalFile("/usr/bin/busybox", "/bin/busybox")
  .shell(["/bin/busybox", "sh", "-c"])
  .env({ PATH: "/bin", GREETING: "hi there" })
  .runCommands(
    "busybox --install /bin; mkdir -p /data/kept /data/replaced; cd /data; touch removed also kept/removed replaced/old",
    "cd /data; rm removed kept/removed; rm -r replaced; mkdir replaced; touch replaced/new; ln -s kept link",
  )
  .workdir("/data")
  .cmd(["sh", "-c", "echo $GREETING; pwd; ls /data"]);

/** Everything that an archive should carry: names, kinds, modes, owners, whole seconds, contents. */
const listing =
  'cd /data && find . | sort | while read -r n; do stat -c \'%n %F %a %u:%g %Y\' "$n"; readlink "$n"; done; find . -type f -links +1 | sort; find . -type f | sort | xargs sha256sum';

async function snapshotWithDeletions(isolation: Isolation): Promise<{ image: Image; listed: string }> {
  await using sandbox = await Sandbox.create("sleep", "600", { image: small, isolation });
  const changes = [
    "rm also; rm -r kept; mkdir kept; echo new > kept/new; chmod 4711 kept/new; ln kept/new kept/hard; ln kept/new hard",
    "ln -s /nowhere/at/all dangling; chown 1000:1001 kept; touch -d '2020-01-02 03:04:05' kept",
    "rm /data/replaced/new; mkdir empty; chmod 1777 empty",
    // gVisor keeps pipes to itself.
    ...(isolation === "container" ? ["mkfifo pipe"] : []),
  ].join("; ");
  const made = await shell(sandbox, `${changes}; ${listing}`);
  assert.equal(made.stderr, "");
  return { image: await sandbox.snapshotFilesystem(), listed: made.stdout };
}

async function listedIn(image: string, isolation: Isolation, client?: Awaited<ReturnType<typeof daemon>>["client"]) {
  await using sandbox = await Sandbox.create("sleep", "600", { image, isolation, client });
  return (await shell(sandbox, listing)).stdout;
}

eachIsolation((isolation) => {
  test("a snapshot with deletions is written as the same archive each time, and is itself again when it comes back", async (t) => {
    const directory = scratch(t);
    const { image, listed } = await snapshotWithDeletions(isolation);
    assert.doesNotMatch(listed, /also|kept\/removed|replaced\/(old|new)/);
    const [first, second] = [join(directory, "first.tar"), join(directory, "second.tar")];
    const told: [bytes: number, of: number][] = [];
    await image.export(first, { onProgress: (bytes, of) => told.push([bytes, of]) });
    assert.deepEqual(told.at(-1), [readFileSync(first).length, readFileSync(first).length]);
    const pieces: Uint8Array[] = [];
    await image.export(new WritableStream({ write: (piece) => void pieces.push(piece) }));
    assert.ok(Buffer.concat(pieces).equals(readFileSync(first)));
    const imported = await Image.import(first);
    assert.equal(await listedIn(imported.id, isolation), listed);
    assert.equal(imported.config.env.GREETING, "hi there");
    await Image.fromId(imported.id).export(second);
    // Names and the time it was made are not the same; its layers and configuration are.
    assert.deepEqual(blobs(second), blobs(first));
    assert.deepEqual(readdirSync(directory).sort(), ["first.tar", "second.tar"]);

    const bundle = join(directory, "bundle");
    const layout = join(directory, "layout");
    execFileSync("skopeo", ["--insecure-policy", "copy", "--quiet", `oci-archive:${first}`, `oci:${layout}:it`]);
    execFileSync("umoci", ["unpack", "--image", `${layout}:it`, bundle], { stdio: "pipe" });
    const outside = execFileSync("busybox", ["sh", "-c", listing.replace("/data", join(bundle, "rootfs/data"))]);
    assert.equal(outside.toString(), listed);
  });
});

/** Digests of layers, in the archive. */
function blobs(archive: string): string[] {
  const [{ Layers }] = JSON.parse(execFileSync("tar", ["-xOf", archive, "manifest.json"]).toString());
  return Layers;
}

test("other tools read an exported image's configuration, in both of its forms, and run it", async (t) => {
  const directory = scratch(t);
  const file = join(directory, "image.tar");
  const built = await small.publish(`export-${process.pid}:v1`);
  await Image.fromId(built.id).export(file);
  for (const form of [`oci-archive:${file}`, `docker-archive:${file}:export-${process.pid}:v1`]) {
    const inspected = JSON.parse(execFileSync("skopeo", ["inspect", "--config", form]).toString());
    assert.deepEqual(inspected.config.Env, ["PATH=/bin", "GREETING=hi there"]);
    assert.equal(inspected.config.WorkingDir, "/data");
    assert.equal(inspected.rootfs.diff_ids.length, built.layers.length);
  }
  const layout = join(directory, "layout");
  const bundle = join(directory, "bundle");
  execFileSync("skopeo", ["--insecure-policy", "copy", "--quiet", `oci-archive:${file}`, `oci:${layout}:it`]);
  execFileSync("umoci", ["unpack", "--image", `${layout}:it`, bundle], { stdio: "pipe" });
  const { process: meant } = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  const inside = ["sh", "-c", 'cd "$0" && exec "$@"', meant.cwd, ...meant.args];
  const ran = execFileSync("env", ["-i", ...meant.env, "/usr/sbin/chroot", join(bundle, "rootfs"), ...inside]);
  assert.equal(ran.toString(), "hi there\n/data\nalso\nkept\nlink\nreplaced\n");
});

test("an image is pushed with a login from a secret, and another server pulls and runs it", async (t) => {
  using registry = await startRegistry({ user: "user", password: "pa:ss" });
  const secret = `push-${process.pid}`;
  const login = { REGISTRY_USERNAME: "user", REGISTRY_PASSWORD: "pa:ss" };
  await Secret.put(secret, login);
  t.after(() => Secret.delete(secret));
  const { image, listed } = await snapshotWithDeletions("container");
  const reference = `${registry.host}/team/app:v1`;
  await assert.rejects(image.push(reference), { code: "permission_denied", message: /^cannot push/ });
  const pushed = await image.push(reference, { secret });
  assert.equal(pushed.reference, reference);
  const inspect = ["inspect", "--tls-verify=false", "--creds=user:pa:ss", `docker://${reference}`];
  assert.equal(JSON.parse(execFileSync("skopeo", inspect).toString()).Digest, pushed.digest);
  assert.deepEqual(await image.push(reference, { secret }), pushed, "the same image again is the same");

  const elsewhere = await daemon(t);
  const { client } = elsewhere;
  await Secret.put(secret, login, { client });
  const pulled = await Image.pull(`${registry.host}/team/app@${pushed.digest}`, { secret, client });
  assert.equal(await listedIn(pulled.id, "container", client), listed);
  assert.deepEqual((await client.request("gc", {})).found, []);
  assert.ok(!existsSync(join(elsewhere.directory, "store/exports")), "whoever pushes nothing has nothing of it");
});

test("what cannot be exported or pushed says why, and leaves no file", async (t) => {
  const directory = scratch(t);
  const file = join(directory, "image.tar");
  await assert.rejects(Image.fromName("no-such-image").export(file), NotFoundError);
  await assert.rejects(Image.fromName("no-such-image").push("127.0.0.1:9/a"), NotFoundError);
  await assert.rejects(small.export(join(directory, "missing/image.tar")), { code: "local_file" });
  await assert.rejects(small.push("Not A Name"), InvalidError);
  await assert.rejects(small.push(`127.0.0.1:9/a@sha256:${"0".repeat(64)}`), { code: "invalid_argument", hint: /tag/ });
  await assert.rejects(small.push("127.0.0.1:9/a:v1"), {
    code: "unavailable",
    message: /cannot push 127\.0\.0\.1:9\/a:v1/,
  });
  await assert.rejects(small.push("127.0.0.1:9/a:v1", { secret: "no-such-secret" }), NotFoundError);
  const misleading = small.runCommands("touch /data/.wh.kept");
  await assert.rejects(misleading.export(file), { code: "unsupported", message: /"data\/\.wh\.kept"/ });
  const gone = new AbortController();
  const aborted = small.export(file, { signal: gone.signal, onProgress: () => gone.abort() });
  await assert.rejects(aborted, { name: "AbortedError" });
  assert.deepEqual(readdirSync(directory), []);
});
