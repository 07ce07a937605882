import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { type BuildEvent, Image, ImageBuildError, InvalidError, UnsupportedError } from "@atoll/sdk";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

const unique = () => `${process.pid}.${performance.now()}`;
const ran = (events: readonly BuildEvent[]) =>
  events.flatMap((event) => (event.event === "step" && !event.cached ? [event.text] : []));

/** A context with this Dockerfile in it. */
function context(t: { after(undo: () => void): void }, dockerfile: string): { path: string; file: string } {
  const path = mkdtempSync(join(tmpdir(), "atoll-context-"));
  t.after(() => rmSync(path, { recursive: true }));
  const file = join(path, "Dockerfile");
  writeFileSync(file, dockerfile);
  return { path, file };
}

eachIsolation((isolation) => {
  test("a Dockerfile with stages, arguments, copies and a context is built and used", async (t) => {
    const { path, file } = context(
      t,
      `
ARG BASE=base
FROM \${BASE} AS build
ARG GREETING=hello
WORKDIR /src
COPY src/ .
COPY --chmod=755 <<EOF /made/script
#!/bin/sh
echo $GREETING
EOF
RUN <<EOF
cat one.txt deep/two.txt > both
chown 33:33 both && mkdir -p /made/deep && mv both /made/deep
EOF
RUN ["touch", "/made/exec form"]

FROM base AS unused
RUN exit 1

FROM base
ARG STAMP
ENV APP=/srv/app PATH=/srv/app:$PATH
COPY --from=build /made $APP
COPY --chown=www-data:daemon *.txt file /srv/
COPY file /bin/copied
ADD packed.tar.gz /unpacked
ADD packed.tar.gz.txt /unpacked/
USER 33
WORKDIR $APP
RUN echo "$STAMP" > /tmp/stamp; id -u >> /tmp/stamp
CMD ["sleep", "infinity"]
LABEL purpose="a test"
EXPOSE 8080
`,
    );
    mkdirSync(join(path, "src/deep"), { recursive: true });
    mkdirSync(join(path, "tar"));
    writeFileSync(join(path, "src/one.txt"), "one\n");
    writeFileSync(join(path, "src/deep/two.txt"), "two\n");
    writeFileSync(join(path, "top.txt"), "top");
    writeFileSync(join(path, "ignored.txt"), "ignored");
    writeFileSync(join(path, "file"), "file");
    chmodSync(join(path, "file"), 0o640);
    symlinkSync("file", join(path, "link.txt"));
    writeFileSync(join(path, "tar/in"), "in");
    execFileSync("tar", ["-czf", join(path, "packed.tar.gz"), "-C", join(path, "tar"), "in"]);
    writeFileSync(join(path, "packed.tar.gz.txt"), gzipSync("not a tar"));
    writeFileSync(join(path, ".dockerignore"), "*\n!src\n!*.txt\n!file\n!packed.tar.gz\nignored.*\n");
    const stamp = unique();
    const image = Image.fromDockerfile(file, { context: path, args: { STAMP: stamp } });
    const built = await image.build({ isolation });
    assert.deepEqual(built.config.labels, { purpose: "a test" });
    assert.deepEqual(built.config.ports, ["8080/tcp"]);
    assert.equal(built.config.user, "33");
    await using sandbox = await newSandbox({ image: built.id, isolation });
    const seen = await shell(
      sandbox,
      `script; cat deep/both; stat -c "%n %u %g" deep/both "exec form"; cd /srv; stat -c "%n %U %G %a" file top.txt link.txt
       ls; stat -c %a /usr/bin/copied; cat /unpacked/in; echo; readlink /bin; ls /unpacked; cat /tmp/stamp`,
    );
    assert.deepEqual(seen.stdout.split("\n"), [
      ...["hello", "one", "two", "deep/both 33 33", "exec form 0 0"],
      ...["file www-data daemon 640", "top.txt www-data daemon 644", "link.txt www-data daemon 640"],
      ...["app", "file", "link.txt", "packed.tar.gz.txt", "top.txt"],
      ...["640", "in", "usr/bin", "in", "packed.tar.gz.txt", stamp, "33", ""],
    ]);
  });
});

test("a changed file of a context runs again what copies it, and no more", async (t) => {
  const seed = unique();
  const { path, file } = context(
    t,
    `FROM base\nCOPY a /a\nRUN echo ${seed}\nCOPY b /b\nRUN cat /b\nFROM base\nRUN echo ${seed} two\nCOPY --from=0 /b /c\n`,
  );
  writeFileSync(join(path, "a"), seed);
  writeFileSync(join(path, "b"), seed);
  const build = async () => {
    const events: BuildEvent[] = [];
    const { id } = await Image.fromDockerfile(file, { context: path }).build({
      onOutput: (event) => events.push(event),
    });
    return { id, ran: ran(events) };
  };
  const first = await build();
  assert.equal(first.ran.length, 6);
  assert.deepEqual(await build(), { id: first.id, ran: [] });
  writeFileSync(join(path, "unrelated"), "1");
  assert.deepEqual(await build(), { id: first.id, ran: [] });
  writeFileSync(join(path, "b"), `${seed} changed`);
  assert.deepEqual((await build()).ran, ["COPY b /b", "RUN cat /b", "COPY --from=0 /b /c"]);
});

test("lines of a Dockerfile go on from any image, mixed with other steps", async (t) => {
  const { path } = context(t, "");
  writeFileSync(join(path, "file"), "content");
  const image = Image.debianSlim()
    .env({ BEFORE: unique() })
    .dockerfileCommands(
      ["ENV BOTH=$BEFORE-$AFTER", "RUN echo $LENT > /lent \\", "  && echo $BOTH >> /lent", "COPY file /"],
      {
        context: path,
        env: { LENT: "lent" },
      },
    )
    .runCommands("cat /file >> /lent");
  await using sandbox = await newSandbox({ image });
  const { stdout } = await shell(sandbox, "cat /lent; echo; echo $LENT");
  assert.match(stdout, /^lent\n[\d.]+-\ncontent\n\n$/);
});

test("a failing line says which it was, and what cannot be built names its line before anything runs", async (t) => {
  const failing = Image.debianSlim().dockerfileCommands([`RUN echo ${unique()}`, "RUN exit 9"]);
  const error = await failing.build().catch((thrown) => thrown);
  assert.ok(error instanceof ImageBuildError);
  assert.equal(error.failed?.exitCode, 9);
  assert.match(error.message, /RUN exit 9/);
  const { path, file } = context(t, "FROM base\nRUN exit 1\nCOPY missing* /x\n");
  await assert.rejects(Image.fromDockerfile(file, { context: path }).build(), (thrown) => {
    return thrown instanceof InvalidError && /line 3 .*no missing\*/.test(thrown.message);
  });
  await assert.rejects(Image.fromDockerfile(file).build(), /line 3 .*no context/);
  await assert.rejects(Image.debianSlim().dockerfileCommands(["VOLUME /x"]).build(), UnsupportedError);
  await assert.rejects(
    Image.debianSlim().dockerfileCommands(["COPY --chown=nobody-known <<E /x", "E"]).build(),
    /no such user/,
  );
  await assert.rejects(Image.fromDockerfile(join(path, "none")).build(), InvalidError);
});
