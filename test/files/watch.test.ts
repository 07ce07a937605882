import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileEvent, FileWatcher } from "@atoll/sdk";
import { eachIsolation, newSandbox, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** Events up to the first that satisfies. */
async function until(watcher: FileWatcher, isLast: (event: FileEvent) => boolean): Promise<FileEvent[]> {
  const events: FileEvent[] = [];
  for await (const event of watcher) {
    events.push(event);
    if (isLast(event)) break;
  }
  return events;
}

const said = ({ type, path, from, moved }: FileEvent) => [type, path, from ?? "", moved ?? false].join(" ");

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });
  let count = 0;
  const place = async () => {
    const path = `/tmp/watched-${count++}`;
    await sandbox().fs.mkdir(path);
    return path;
  };

  test("files are created, modified, renamed and removed", async () => {
    const path = await place();
    const watcher = await sandbox().fs.watch(path);
    await shell(sandbox(), `cd ${path}; : > a; echo x >> a; mv a b; mkdir d; : > d/unseen; rm b; : > end`);
    const events = await until(watcher, (event) => event.path === `${path}/end`);
    const told = events.map(said);
    for (const wanted of [
      `create ${path}/a  false`,
      `modify ${path}/a  false`,
      `rename ${path}/b ${path}/a false`,
      `create ${path}/d  false`,
      `remove ${path}/b  false`,
    ]) {
      assert.ok(told.includes(wanted), `${wanted}\n${told.join("\n")}`);
    }
    assert.ok(!told.some((event) => event.includes("unseen")));
  });

  test("with recursive, new directories are watched too, and followed when they are renamed", async () => {
    const path = await place();
    await sandbox().fs.mkdir(`${path}/old`);
    const watcher = await sandbox().fs.watch(path, { recursive: true });
    await shell(
      sandbox(),
      `cd ${path}; mkdir -p new/deep; : > new/deep/a; sleep 0.3; mv new newer; echo x > newer/deep/b; rm -r old; : > end`,
    );
    const told = (await until(watcher, (event) => event.path === `${path}/end`)).map(said);
    for (const wanted of [
      `create ${path}/new  false`,
      `create ${path}/new/deep  false`,
      `create ${path}/new/deep/a  false`,
      `rename ${path}/newer ${path}/new false`,
      `create ${path}/newer/deep/b  false`,
      `remove ${path}/old  false`,
    ]) {
      assert.ok(told.includes(wanted), `${wanted}\n${told.join("\n")}`);
    }
  });

  test("what is moved in or out is created or removed, and says so", async () => {
    const [path, elsewhere] = [await place(), await place()];
    const watcher = await sandbox().fs.watch(path, { recursive: true });
    await shell(
      sandbox(),
      `cd ${path}; : > ${elsewhere}/in; mv ${elsewhere}/in in; mv in ${elsewhere}/out; sleep 0.3; : > end`,
    );
    const told = (await until(watcher, (event) => event.path === `${path}/end`)).map(said);
    assert.ok(told.includes(`create ${path}/in  true`), told.join("\n"));
    assert.ok(told.includes(`remove ${path}/in  true`), told.join("\n"));
  });

  test("only the wanted types are told", async () => {
    const path = await place();
    const watcher = await sandbox().fs.watch(path, { types: ["remove"] });
    await shell(sandbox(), `cd ${path}; : > a; echo x > a; mv a b; rm b`);
    assert.deepEqual((await until(watcher, () => true)).map(said), [`remove ${path}/b  false`]);
  });

  test("a file is watched, and the watch ends when it is removed", async () => {
    const path = `${await place()}/file`;
    await sandbox().fs.writeText(path, "x");
    const watcher = await sandbox().fs.watch(path);
    await shell(sandbox(), `echo y >> ${path}; rm ${path}`);
    const told = (await until(watcher, () => false)).map(said);
    assert.ok(told.includes(`modify ${path}  false`), told.join("\n"));
    assert.equal(told.at(-1), `remove ${path}  false`);
  });

  test("closing a watch ends its loop, and its operation inside", async () => {
    const path = await place();
    const watcher = await sandbox().fs.watch(path);
    const events = until(watcher, () => false);
    watcher.close();
    assert.deepEqual(await events, []);
    for (;;) {
      const { stdout } = await shell(sandbox(), "cat /proc/[0-9]*/cmdline");
      if (!stdout.includes("atoll-files")) break;
    }
  });

  test("a sandbox that ends in the middle of a watch is told as its end", async () => {
    const ending = await newSandbox({ isolation });
    const watcher = await ending.fs.watch("/tmp");
    const events = until(watcher, () => false);
    await Promise.all([assert.rejects(events, { code: "sandbox_finished" }), ending.terminate()]);
  });
});
