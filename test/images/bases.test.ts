/** What builds start from on a machine that no registry but its own is reached from. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type BuildEvent, Image, Sandbox } from "@atoll/sdk";
import { daemon } from "../support/daemon.ts";
import { shell } from "../support/isolation.ts";
import { ociLayout, push, startRegistry } from "../support/registry.ts";

/** Nothing listens there, so whatever is asked through it fails at once. */
const deadEnd = "http://127.0.0.1:9";

test("bases are taken from where the server is told to take them, and stood in for where none can be reached", async (t) => {
  using registry = await startRegistry();
  const map = `mapped.example/*=${registry.host}/team/*,python:3.7-slim=seven`;
  const proxies = { https_proxy: deadEnd, http_proxy: deadEnd, no_proxy: "127.0.0.1" };
  const server = await daemon(t, { ATOLL_IMAGE_MAP: map, ...proxies });
  const { client } = server;
  const directory = mkdtempSync(join(tmpdir(), "atoll-bases-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const dockerfile = async (text: string, force = false) => {
    writeFileSync(join(directory, "Dockerfile"), text);
    const notes: string[] = [];
    const onOutput = (event: BuildEvent) => void (event.event === "note" && notes.push(event.text));
    const built = await Image.fromDockerfile(join(directory, "Dockerfile")).build({ client, onOutput, force });
    return { ...built, notes };
  };
  mkdirSync(join(directory, "root"));
  writeFileSync(join(directory, "root/file"), "of the registry");
  const tar = execFileSync("tar", ["-cf", "-", "--numeric-owner", "-C", join(directory, "root"), "."]);
  const layout = join(directory, "oci");
  ociLayout(layout, [{ tar, compression: "gzip" }], { Env: ["FROM=registry"] }, true);
  const reference = `${registry.host}/team/app`;
  push(layout, `${reference}:v1`);
  const raw = execFileSync("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${reference}:v1`]);
  const digest = `sha256:${createHash("sha256").update(raw).digest("hex")}`;

  await t.test("FROM names images of registries by tag and by digest, of an index this platform's", async () => {
    assert.match(raw.toString(), /"manifests"/);
    const byTag = await dockerfile(`FROM ${reference}:v1\nENV A=1`);
    assert.deepEqual(byTag.config.env, { FROM: "registry", A: "1" });
    const byDigest = await dockerfile(`FROM ${reference}@${digest}\nENV A=2`);
    assert.deepEqual(byDigest.layers, byTag.layers);
    await assert.rejects(dockerfile(`FROM ${reference}@sha256:${"0".repeat(64)}`), { code: "not_found" });
  });

  await t.test("what the server maps is used in FROM, COPY --from and fromRegistry, and told", async () => {
    const mapped = await dockerfile("FROM mapped.example/app:v1\nENV A=3");
    assert.equal(mapped.config.env.FROM, "registry");
    assert.match(mapped.notes.join("\n"), /using 127\.0\.0\.1:\d+\/team\/app:v1 in place of mapped\.example\/app:v1/);
    const goesOn = await dockerfile("FROM base\nCOPY --from=mapped.example/app:v1 /file /copy");
    await using sandbox = await Sandbox.create({ image: goesOn.id, client });
    assert.equal((await shell(sandbox, "cat /copy")).stdout, "of the registry");
    const same = await Image.fromRegistry("mapped.example/app:v1").build({ client });
    assert.deepEqual(same.layers, mapped.layers);
  });

  await t.test(
    "the base image stands in for Debian and Python that no registry gives, and the log says why",
    async () => {
      for (const name of ["python:3.12.1-slim-bookworm", "debian:bookworm-slim"]) {
        const { layers, notes } = await dockerfile(`FROM ${name}\nENV STANDS=${name}`);
        assert.deepEqual(layers, (await Image.info("base", { client })).layers);
        assert.match(
          notes.join("\n"),
          new RegExp(`base stands for ${name}, because the server cannot pull docker\\.io/`),
        );
      }
      for (const name of ["alpine:3.21", "other.example/debian:bookworm-slim"])
        await assert.rejects(dockerfile(`FROM ${name}`), {
          code: "unavailable",
          message: /cannot pull/,
          hint: /ATOLL_IMAGE_MAP/,
        });
      const asked = Image.fromRegistry("debian:bookworm-slim").build({ client });
      await assert.rejects(asked, { code: "unavailable" }, "who asks for it by its name does not want another");
      await assert.rejects(dockerfile("FROM debian:bookworm-slim", true), { code: "unavailable" });
    },
  );

  await t.test("a version of Python is the base image's own, or one that the server maps, or refused", async () => {
    const base = await Image.info("base", { client });
    await using sandbox = await Sandbox.create({ client });
    const version = (
      await shell(sandbox, "python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")
    ).stdout.trim();
    assert.deepEqual((await Image.debianSlim({ pythonVersion: version }).build({ client })).layers, base.layers);
    const seven = await Image.debianSlim().env({ SEVEN: "7" }).publish("seven", { client });
    const found = await Image.debianSlim({ pythonVersion: "3.7" }).build({ client });
    assert.deepEqual(found.config, seven.config);
    await assert.rejects(Image.debianSlim({ pythonVersion: "3.1" }).build({ client }), {
      code: "unavailable",
      message: new RegExp(
        `cannot start from Python 3\\.1: the base image has Python ${version}, and the server cannot pull`,
      ),
      hint: /map python:3\.1-slim/,
    });
    assert.throws(() => Image.debianSlim({ pythonVersion: "latest" }), { code: "invalid_argument" });
  });
});
