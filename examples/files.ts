/** Files of a sandbox: one written and read line by line, a directory listed, copied out, and watched. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("examples", { createIfMissing: true });

for (const isolation of ["gvisor", "container"] as const) {
  await using sandbox = await Sandbox.create({ app, isolation });

  const file = await sandbox.open("/tmp/test.txt", "w");
  await file.write("Hello, Sandbox!\n");
  await file.close();

  const process = await sandbox.exec("cat", "/tmp/test.txt");
  console.log((await process.stdout.read()).trim());

  await using log = await sandbox.open("/tmp/log.txt", "a+");
  await log.write("one\ntwo\n");
  await log.seek(0);
  for await (const line of log) console.log("line:", line.trim());

  await sandbox.fs.writeText("/srv/site/index.html", "<h1>Hi</h1>");
  for (const { path, type, size } of await sandbox.fs.list("/srv", { recursive: true })) {
    console.log(path, type, type === "file" ? size : "");
  }

  const directory = await mkdtemp(join(tmpdir(), "atoll-example-"));
  await sandbox.fs.copyToLocal("/srv/site", directory);
  console.log(await readFile(join(directory, "index.html"), "utf8"));
  await rm(directory, { recursive: true });

  await using events = await sandbox.fs.watch("/srv", { recursive: true, types: ["rename"] });
  await sandbox.fs.rename("/srv/site/index.html", "/srv/site/old.html");
  for await (const { type, from, path } of events) {
    console.log(type, from, "to", path);
    break;
  }
}
