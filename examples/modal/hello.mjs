import { ModalClient } from "modal";

const modal = new ModalClient();
const app = await modal.apps.fromName("my-app", { createIfMissing: true });
const image = modal.images.fromRegistry("debian:bookworm-slim");
const sandbox = await modal.sandboxes.create(app, image, { command: ["echo", "Hello, world!"] });
console.log(await sandbox.stdout.readText());
console.log(await sandbox.wait());
modal.close();
