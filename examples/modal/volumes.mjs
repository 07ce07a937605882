/**
 * A volume that one sandbox writes and another reads, with Modal's npm client on Atoll.
 *
 *     eval "$(atoll token create --modal example)"
 *     node examples/modal/volumes.mjs
 */
import { ModalClient } from "modal";

const modal = new ModalClient();
const app = await modal.apps.fromName("atoll-examples", { createIfMissing: true });
const image = modal.images
  .fromRegistry("debian:bookworm-slim")
  .dockerfileCommands(["RUN echo 'from the image' > /note"]);
const volume = await modal.volumes.ephemeral();

const writer = await modal.sandboxes.create(app, image, {
  command: ["cp", "/note", "/data/note"],
  volumes: { "/data": volume },
});
console.log("written:", await writer.wait());

const reader = await modal.sandboxes.create(app, image, {
  command: ["sh", "-c", "cat /data/note; touch /data/new 2>&1"],
  volumes: { "/data": volume.withMountOptions({ readOnly: true }) },
});
console.log((await reader.stdout.readText()).trim());
await reader.terminate();

volume.closeEphemeral();
modal.close();
