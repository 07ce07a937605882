/** Servers that are killed in the middle of what moves images in, out and away. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Image, Sandbox } from "@atoll/sdk";
import { type Daemon, daemon, until } from "../support/daemon.ts";
import { testImage } from "../support/images.ts";
import { push, startRegistry } from "../support/registry.ts";

const namesIn = ({ directory }: Daemon, path: string): string[] => {
  try {
    return readdirSync(join(directory, "store", path));
  } catch {
    return []; // nothing has needed it yet
  }
};
const layersOf = (server: Daemon) => namesIn(server, "layers").filter((name) => !name.startsWith("base-"));

/** Kills the server as soon as something is seen, or the work is over, and starts it again. Whoever asked for the work is gone by then. */
async function killWhen(
  server: Daemon,
  act: (signal: AbortSignal) => Promise<unknown>,
  isSeen: () => boolean,
): Promise<void> {
  const gone = new AbortController();
  let isOver = false;
  const work = act(gone.signal)
    .catch((error) => error)
    .finally(() => {
      isOver = true;
    });
  while (!isOver && !isSeen()) await turn();
  await server.kill();
  gone.abort();
  const failed = await work;
  await server.start();
  // A body that was half sent is not sent again.
  if (failed instanceof Error) assert.ok(["AbortedError", "ConnectionError"].includes(failed.name), String(failed));
}

test("a server killed anywhere in an import, pull, export, push or removal has whole images and nothing else", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "atoll-crash-"));
  t.after(() => rmSync(directory, { recursive: true }));
  using registry = await startRegistry();
  const mebibytes = [4, 4].map((size) => size * 1024 ** 2);
  const made = testImage(directory, "image", mebibytes);
  push(made.layout, `${registry.host}/app:v1`);
  const server = await daemon(t);
  const { client } = server;

  const hasPrinted = async (image: string) => {
    await using sandbox = await Sandbox.create({ image, client });
    assert.equal(await sandbox.stdout.read(), made.printed);
  };
  /** Nothing but what the given images consist of, in rows and on the disk. */
  const isClean = async () => {
    assert.deepEqual((await client.request("gc", {})).found, []);
    const images = await Image.list({ client });
    for (const name of ["pulls", "exports", "mounts"])
      assert.deepEqual(
        namesIn(server, name).filter((entry) => entry !== "empty"),
        [],
        name,
      );
    const disk = await client.request("diskUse", {});
    assert.equal(disk.layers.count, layersOf(server).length);
    const known = new Set(images.flatMap(({ layers }) => layers));
    assert.ok(known.isSubsetOf(new Set(layersOf(server))), "no image lacks a layer");
  };
  const remove = async (image: string) => {
    await until("its sandboxes are gone", () =>
      Image.delete(image, { client }).then(
        () => true,
        (error) => {
          if (error.code === "conflict") return false;
          throw error;
        },
      ),
    );
    await client.request("pruneImages", {});
    assert.deepEqual(layersOf(server), []);
    assert.equal((await client.request("diskUse", {})).layers.sizeBytes, 0);
  };

  const partialLayers = (whole: number) => () =>
    layersOf(server).filter((name) => !name.includes(".")).length >= whole &&
    layersOf(server).some((name) => name.includes(".partial"));
  const importing = (signal?: AbortSignal) => Image.import(made.archive, { client, signal });
  const pulling = (signal?: AbortSignal) => Image.pull(`${registry.host}/app:v1`, { client, signal });
  const intakes: readonly (readonly [string, typeof importing, () => boolean])[] = [
    ["uploaded", importing, () => namesIn(server, "contents").some((name) => name.endsWith(".partial"))],
    ["unpacked after an upload", importing, partialLayers(2)],
    ["pulled", pulling, () => namesIn(server, "pulls").length > 0],
    ["unpacked after a pull", pulling, partialLayers(1)],
  ];
  for (const [when, take, isSeen] of intakes)
    await t.test(`while it is ${when}`, async () => {
      await killWhen(server, take, isSeen);
      await isClean();
      const { id } = await take();
      await hasPrinted(id);
      await isClean();
      await remove(id);
    });

  await t.test("while it is exported or pushed", async () => {
    const { id } = await importing();
    const image = Image.fromId(id);
    let arrived = 0;
    const onProgress = (bytes: number) => {
      arrived = bytes;
    };
    const file = join(directory, "out.tar");
    await killWhen(
      server,
      (signal) => image.export(file, { client, signal, onProgress }),
      () => arrived > 0,
    );
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith("out.tar.")),
      [],
    );
    await isClean();
    const pushed = `${registry.host}/pushed:v1`;
    await killWhen(
      server,
      (signal) => image.push(pushed, { client, signal }),
      () => namesIn(server, "exports").length > 0,
    );
    await isClean();
    await image.push(pushed, { client });
    await isClean();
    await remove(id);
    await hasPrinted((await Image.pull(pushed, { client })).id);
  });

  await t.test("while it is removed", async () => {
    const pulled = await Image.pull(`${registry.host}/app:v1`, { client });
    await client.request("nameImage", { params: { image: pulled.id }, body: { name: "kept" } });
    const built = await Image.fromId(pulled.id).dockerfileCommands(["COPY --from=kept /data /more"]).build({ client });
    await Image.delete(built.id, { client });
    const prune = (signal: AbortSignal) => client.request("pruneImages", { signal });
    await killWhen(server, prune, () => layersOf(server).some((name) => name.endsWith(".removed")));
    await isClean();
    await hasPrinted(pulled.id);
  });
});
