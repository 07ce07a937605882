import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  type BuildEvent,
  Image,
  ImageBuildError,
  InvalidError,
  type LogEntry,
  NotFoundError,
  Sandbox,
  Secret,
} from "@atoll/sdk";
import { eachIsolation, newSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Makes a recipe that no run before has built. */
const unique = () => `${process.pid}.${performance.now()}`;
const stepsOf = (events: readonly BuildEvent[]) =>
  events.flatMap((event) => (event.event === "step" ? [event.cached ? "cached" : "run"] : []));

function localDirectory(t: { after(undo: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), "atoll-image-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

eachIsolation((isolation) => {
  test("steps add, change, replace and remove files, and sandboxes start with what they leave", async () => {
    const image = Image.debianSlim()
      .runCommands(
        "mkdir -p /data/old && echo 1 > /data/old/a && echo 1 > /data/b && chmod 600 /data/b",
        "rm -r /data/old",
      )
      .runCommands("mkdir /data/old && echo 2 > /data/old/c", "chown 33:33 /data/b && rm /etc/debian_version")
      .env({ GREETING: "hi there", PATH: "/data:/usr/bin:/bin" })
      .workdir("/srv/app")
      .runCommands(`echo ${unique()} > stamp`);
    const built = await image.build({ isolation });
    assert.equal(built.config.env.GREETING, "hi there");
    await using sandbox = await newSandbox({ image, isolation });
    const seen = await shell(
      sandbox,
      'ls /data/old; stat -c "%a %u %g" /data/b; ls /etc/debian_version; pwd; echo $GREETING; ls; ls -a / | grep atoll',
    );
    assert.deepEqual(seen.stdout.split("\n"), ["c", "600 33 33", "/srv/app", "hi there", "stamp", ".atoll", ""]);
    const written = await shell(sandbox, "echo more >> /data/b && rm -r /data/old && ls /data");
    assert.equal(written.stdout, "b\n");
    await using other = await newSandbox({ image: built.id, isolation });
    assert.equal((await shell(other, "cat /data/b /data/old/c")).stdout, "1\n2\n");
  });

  test("a step runs as the user and in the directory that were set before it", async () => {
    const image = Image.debianSlim()
      .workdir("/project/deep")
      .runCommands("chown 1000:1000 .")
      .user("1000:1000")
      .runCommands("touch mine && id -u > uid");
    await using sandbox = await newSandbox({ image, isolation });
    assert.equal((await shell(sandbox, 'stat -c "%u %g" mine; cat uid; id -u')).stdout, "1000 1000\n1000\n1000\n");
  });

  test("a failing step says which it was, how it ended and what it wrote", async () => {
    const image = Image.debianSlim().runCommands("true", `echo ${unique()}; echo to stderr >&2; exit 7`, "true");
    const events: BuildEvent[] = [];
    const error = await image.build({ isolation, onOutput: (event) => events.push(event) }).catch((thrown) => thrown);
    assert.ok(error instanceof ImageBuildError);
    assert.equal(error.failed?.step, 2);
    assert.equal(error.failed?.exitCode, 7);
    assert.ok(error.failed?.output.includes("to stderr"));
    assert.ok(events.some((event) => event.event === "output" && event.line === "to stderr"));
    assert.match(error.message, /^cannot build the image: step 2, run echo/);
  });
});

test("a build that was started is followed by its id, from where a reader stopped, and told again later", async () => {
  const image = Image.debianSlim().runCommands(`echo one; sleep 1; echo ${unique()}`, "echo two");
  const started = await image.start();
  assert.equal(started.isBuilt, false);
  const first: LogEntry[] = [];
  for await (const entry of Image.log(started.image)) {
    first.push(entry);
    if (entry.event.event === "output") break;
  }
  const rest: LogEntry[] = [];
  for await (const entry of Image.log(started.image, { after: first.length })) rest.push(entry);
  const last = rest.at(-1)?.event;
  assert.equal(last?.event === "image" && last.image.id, started.image);
  const told = await Array.fromAsync(Image.log(started.image));
  assert.deepEqual(told, [...first, ...rest]);
  assert.deepEqual(
    told.map(({ entry }) => entry),
    told.map((_, index) => index + 1),
  );
  assert.deepEqual(await image.start(), { image: started.image, isBuilt: true });
  await assert.rejects(Array.fromAsync(Image.log("im-0000000000000000000000")), NotFoundError);
});

test("a build that failed tells how by the id that it was started under", async () => {
  const { image } = await Image.debianSlim().runCommands(`echo ${unique()}; exit 3`).start();
  for (let i = 0; i < 2; i += 1) {
    const last = (await Array.fromAsync(Image.log(image))).at(-1)?.event;
    assert.ok(last?.event === "failed");
    assert.equal(last.exitCode, 3);
  }
  await assert.rejects(Image.info(image), NotFoundError);
});

test("what was built is found again, up to the first step that differs", async () => {
  const first = Image.debianSlim().runCommands(`echo ${unique()}`, "echo two");
  const built = await first.build();
  const again: BuildEvent[] = [];
  assert.equal((await first.build({ onOutput: (event) => again.push(event) })).id, built.id);
  assert.deepEqual(stepsOf(again), ["cached", "cached"]);
  const events: BuildEvent[] = [];
  const longer = await first.runCommands("echo three").build({ onOutput: (event) => events.push(event) });
  assert.deepEqual(stepsOf(events), ["cached", "cached", "run"]);
  assert.notEqual(longer.id, built.id);
  const forced: BuildEvent[] = [];
  await first.build({ force: true, onOutput: (event) => forced.push(event) });
  assert.deepEqual(stepsOf(forced), ["run", "run"]);
});

test("a forced build takes over the name, and a sandbox of the earlier image can still be snapshot", async () => {
  const name = `forced-${process.pid}:latest`;
  const image = Image.debianSlim().env({ KEPT: "yes" }).runCommands(`echo ${unique()}`);
  const first = await image.publish(name);
  await using sandbox = await newSandbox({ image: first.id });
  const second = await image.build({ force: true });
  assert.equal((await Image.info(name)).id, second.id);
  assert.notEqual(second.id, first.id);
  await using copy = await newSandbox({ image: await sandbox.snapshotFilesystem() });
  assert.equal((await shell(copy, "echo $KEPT")).stdout, "yes\n");
});

test("an environment variable, a user or a directory that a step starts with decides whether it runs again", async () => {
  const seed = unique();
  const base = Image.debianSlim().env({ SEED: seed });
  await base.runCommands("echo $SEED").build();
  for (const changed of [base.env({ MORE: "1" }), base.user("1000"), base.workdir("/tmp")]) {
    const events: BuildEvent[] = [];
    await changed.runCommands("echo $SEED").build({ onOutput: (event) => events.push(event) });
    assert.equal(stepsOf(events).at(-1), "run");
  }
});

test("one build asked for twice at once is made once, and both see it", async () => {
  const image = Image.debianSlim().runCommands(
    `echo ${unique()}; sleep 1; cat /proc/sys/kernel/random/uuid > /made; cat /made`,
  );
  const outputs: string[][] = [[], []];
  const built = await Promise.all(
    outputs.map((lines) =>
      image.build({ onOutput: (event) => void (event.event === "output" && lines.push(event.line)) }),
    ),
  );
  assert.equal(built[0]?.id, built[1]?.id);
  assert.deepEqual(outputs[0], outputs[1]);
  assert.equal(outputs[0]?.length, 2);
});

test("a build that its caller gave up leaves no sandbox behind", async () => {
  const controller = new AbortController();
  const image = Image.debianSlim().runCommands(`echo ${unique()}; sleep 300`);
  const onOutput = (event: BuildEvent) => void (event.event === "output" && controller.abort());
  await assert.rejects(image.build({ signal: controller.signal, onOutput }));
  for (;;) {
    const left = await Array.fromAsync(Sandbox.list({ app: "atoll-builds" }));
    if (left.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test("local files and directories are copied with their modes and links, and their content decides about the cache", async (t) => {
  const local = localDirectory(t);
  mkdirSync(join(local, "src/deep"), { recursive: true });
  writeFileSync(join(local, "src/deep/ünïcode and spaces.txt"), "text");
  writeFileSync(join(local, "src/run.sh"), "#!/bin/sh\necho ran\n");
  chmodSync(join(local, "src/run.sh"), 0o755);
  symlinkSync("run.sh", join(local, "src/link"));
  writeFileSync(join(local, "src", `${"long".repeat(40)}.txt`), "long");
  writeFileSync(join(local, "src/left-out"), "");
  const recipe = () =>
    Image.debianSlim()
      .addLocalDir(join(local, "src"), "/bin/app", { ignore: (path) => path === "left-out" })
      .addLocalFile(join(local, "src/run.sh"), "/var/run/made/here.sh");
  const image = recipe();
  await using sandbox = await newSandbox({ image });
  const seen = await shell(
    sandbox,
    "/usr/bin/app/link; /run/made/here.sh; cat /bin/app/deep/*; cat /bin/app/long*; ls /bin/app | wc -l; stat -c %U:%a /bin/app/run.sh /bin /var/run/",
  );
  assert.equal(seen.stdout, "ran\nran\ntextlong4\nroot:755\nroot:777\nroot:755\n");
  const events: BuildEvent[] = [];
  await recipe().build({ onOutput: (event) => events.push(event) });
  assert.deepEqual(stepsOf(events), ["cached", "cached"]);
  writeFileSync(join(local, "src/deep/more"), unique());
  const changed: BuildEvent[] = [];
  await recipe().build({ onOutput: (event) => changed.push(event) });
  assert.deepEqual(stepsOf(changed), ["run", "run"]);
  await assert.rejects(Image.debianSlim().addLocalFile(join(local, "src"), "/x").build(), InvalidError);
});

test("an image from scratch holds what was added and nothing else", async (t) => {
  const local = localDirectory(t);
  writeFileSync(join(local, "note"), unique());
  const { layers, sizeBytes } = await Image.fromScratch().addLocalFile(join(local, "note"), "/etc/note").build();
  assert.equal(layers.length, 1);
  assert.ok(sizeBytes < 65_536);
});

test("the entrypoint comes before the command, and cmd is the command of a sandbox without one", async () => {
  const image = Image.debianSlim().entrypoint(["/bin/echo", "entry"]).cmd(["default"]);
  await using plain = await Sandbox.create({ image });
  assert.equal(await plain.stdout.read(), "entry default\n");
  await using asked = await Sandbox.create("asked", { image });
  assert.equal(await asked.stdout.read(), "entry asked\n");
});

test("secrets of a step reach its command, and neither its layers nor its key", async () => {
  const name = `image-secret-${process.pid}`;
  const value = `hidden-${unique()}`;
  await Secret.put(name, { TOKEN: value });
  const image = Image.debianSlim().runCommands(`test "$TOKEN" != "" && echo ${unique()}`, { secrets: [name] });
  const events: BuildEvent[] = [];
  await image.build({ onOutput: (event) => events.push(event) });
  await using sandbox = await newSandbox({ image });
  const search = 'grep -rlF "$WANTED" /etc /root /tmp /var /run 2>/dev/null; echo "[$TOKEN]"';
  assert.equal((await shell(sandbox, search, { env: { WANTED: value } })).stdout, "[]\n");
  await Secret.put(name, { TOKEN: `${value}-changed` });
  const again: BuildEvent[] = [];
  await image.build({ onOutput: (event) => again.push(event) });
  assert.deepEqual(stepsOf(again), ["cached"]);
  await Secret.delete(name);
});

test("a published name is found, moved and removed; an image in use is not removed", async () => {
  const name = `team/app-${process.pid}:v1`;
  const built = await Image.debianSlim().runCommands(`echo ${unique()}`).publish(name);
  assert.deepEqual(built.names, [name]);
  const sandbox = await newSandbox({ image: Image.fromName(name) });
  assert.equal(sandbox.lastInfo.image, name);
  await assert.rejects(Image.delete(built.id), { code: "conflict" });
  const next = await Image.debianSlim().runCommands(`echo ${unique()}`).publish(name);
  assert.deepEqual((await Image.info(name)).id, next.id);
  assert.deepEqual((await Image.info(built.id)).names, []);
  await Image.delete(name);
  await assert.rejects(Image.info(name), NotFoundError);
  await sandbox.terminate();
  for (let left = 200; ; left--) {
    const error = await Image.delete(built.id).catch((thrown) => thrown);
    if (error === undefined) break;
    // Its root is let go of a moment after its end was told.
    if (left === 0 || error.code !== "conflict") throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await assert.rejects(Image.info(built.id), NotFoundError);
  assert.ok((await Image.list()).some(({ id }) => id === next.id));
});

test("what does not exist, or is not what it should be, is refused before anything runs", async () => {
  await assert.rejects(Image.fromName("no-such-image").runCommands("true").build(), NotFoundError);
  await assert.rejects(Sandbox.create({ image: "im-0000000000000000000000" }), NotFoundError);
  await assert.rejects(Image.debianSlim().publish("base"), InvalidError);
  assert.throws(() => Image.debianSlim().addLocalDir("/tmp", "relative"), InvalidError);
});
