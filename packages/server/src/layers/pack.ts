import { constants, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { Socket } from "node:net";
import type { LayerStore } from "./layer-store.ts";
import { portableTar } from "./portable-tar.ts";

const attributes = ["security.capability", "trusted.overlay.opaque", "user.*"];
/** Whoever reads it may be slow. */
const packLimitMs = 24 * 3_600_000;
const pieceBytes = 256 * 1024;

/**
 * A layer as a portable archive, the reverse of `unpack`. Nothing is written to the disk, so none can be full.
 * @param pipe a name for a pipe; removed in the end
 */
export function packLayer(store: LayerStore, id: string, pipe: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  return gathered(portableTar(rawTar(store, id, pipe, signal)));
}

async function* rawTar(store: LayerStore, id: string, pipe: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const given = new AbortController();
  const limit = AbortSignal.any([signal, given.signal]);
  await store.run(["mkfifo", "--mode=600", pipe], "pack a layer", limit);
  try {
    // Without waiting for the writer, who may never come.
    const fd = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const source = new Socket({ fd, readable: true, writable: false });
    const argv = [
      "tar",
      "--create",
      "--file",
      pipe,
      "--directory",
      store.path(id),
      "--sort=name",
      "--blocking-factor=128",
    ];
    argv.push(
      "--format=posix",
      "--numeric-owner",
      "--xattrs",
      ...attributes.map((name) => `--xattrs-include=${name}`),
      ".",
    );
    const packing = store.run(argv, "pack a layer", limit, { limitMs: packLimitMs });
    packing.catch((error) => source.destroy(error));
    try {
      yield* source;
      await packing;
    } finally {
      source.destroy();
    }
  } finally {
    given.abort(new Error("nobody reads the layer any more"));
    await rm(pipe, { force: true });
  }
}

/** Small pieces together, so that what follows has less to do. */
async function* gathered(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(pieces);
    pieces = [];
    bytes = 0;
  }
  yield Buffer.concat(pieces);
}
