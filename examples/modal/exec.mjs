import { ModalClient } from "modal";

const modal = new ModalClient();
const app = await modal.apps.fromName("my-app", { createIfMissing: true });
const image = modal.images.fromRegistry("debian:bookworm-slim");
const sandbox = await modal.sandboxes.create(app, image);
try {
  const sorting = await sandbox.exec(["sort"]);
  await sorting.stdin.writeText("pear\nfig\napple\n");
  await sorting.stdin.close();
  console.log(await sorting.stdout.readText());
  await sandbox.filesystem.writeText("written from outside", "/tmp/file");
  console.log(await (await sandbox.exec(["cat", "/tmp/file"])).stdout.readText());
} finally {
  await sandbox.terminate();
  modal.close();
}
