/** Volumes of running sandboxes, by the official npm client in both families of its calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { useServer } from "../support/server.ts";
import { useModal } from "./client.ts";

useServer();
const using = useModal("modal-volumes");

for (const [family, name] of [
  ["1", "the second family"],
  ["0", "the first family"],
] as const) {
  test(`what one sandbox has written another sees after both have reloaded, and not before (${name})`, async () => {
    await using client = await using(family);
    const volume = await client.modal.volumes.ephemeral();
    const [writer, reader] = await Promise.all([
      client.create({ volumes: { "/data": volume } }),
      client.create({ volumes: { "/data": volume } }),
    ]);
    await (await writer.exec(["sh", "-c", "echo kept > /data/file"])).wait();
    const seen = async () => await (await reader.exec(["sh", "-c", "cat /data/file 2>&1"])).stdout.readText();
    assert.match(await seen(), /No such file/);
    await writer.reloadVolumes();
    await reader.reloadVolumes();
    assert.equal(await seen(), "kept\n");
    volume.closeEphemeral();
  });
}
