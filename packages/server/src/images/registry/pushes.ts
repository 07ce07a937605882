/** Images into registries, by way of a layout on the disk: the program that pushes reads nothing else. */
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Image, ImagePush, ImagePushEvent, ImagePushed } from "@atoll/protocol";
import { AtollError } from "../../error.ts";
import type { RunHost } from "../../layers/layer-store.ts";
import { Slots } from "../../slots.ts";
import type { Catalogue } from "../catalogue.ts";
import type { Packing } from "../packing.ts";
import { ProgressOf, type TellProgress } from "../progress.ts";
import { toldOf } from "../telling.ts";
import { authFile } from "./credentials.ts";
import { blobName, layoutFiles, type PackedLayer } from "./oci-layout.ts";
import { fullReference, parseReference } from "./reference.ts";
import { copyToRegistry } from "./skopeo.ts";

const pushesAtOnce = 3;

export interface PushParts {
  readonly run: RunHost;
  readonly catalogue: Catalogue;
  readonly packing: Packing;
  /** Values of a secret. @throws AtollError not_found */
  readonly secret: (name: string) => Readonly<Record<string, string>>;
  readonly stopping: AbortSignal;
}

export class Pushes {
  readonly #parts: PushParts;
  readonly #slots = new Slots(pushesAtOnce);
  readonly #underWay = new Set<Promise<void>>();

  constructor(parts: PushParts) {
    this.#parts = parts;
  }

  /** Pushes, telling how far it is; the last event is `pushed` or `failed`. */
  pushing(name: string, request: ImagePush, signal: AbortSignal): AsyncGenerator<ImagePushEvent> {
    const push = (tell: TellProgress) => this.push(name, request, tell, signal);
    return toldOf<ImagePushEvent, ImagePushed>("push", push, (pushed) => ({ event: "pushed", pushed }), signal);
  }

  /** @throws AtollError not_found, invalid_argument, permission_denied, unavailable; capacity when there is no room to pack it */
  push(name: string, request: ImagePush, tell: TellProgress, asked: AbortSignal): Promise<ImagePushed> {
    const signal = AbortSignal.any([asked, this.#parts.stopping]);
    const pushing = this.#slots.with(() => this.#push(name, request, tell, signal), signal);
    const settled = pushing
      .then(
        () => undefined,
        () => undefined, // whoever asked is told
      )
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
    return pushing;
  }

  /** Settles once nothing is under way; the server's stopping ends what is. */
  async stop(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #push(
    name: string,
    { reference, secret }: ImagePush,
    tell: TellProgress,
    signal: AbortSignal,
  ): Promise<ImagePushed> {
    const { run, catalogue, packing } = this.#parts;
    const registry = parseReference(reference);
    if (registry.digest !== undefined) throw digestGiven(reference);
    const login = secret === undefined ? undefined : authFile(registry.host, secret, this.#parts.secret(secret));
    const image = await catalogue.get(name, signal);
    using _held = catalogue.hold(image.layers);
    await using scratch = await packing.place();
    const totalBytes = await this.#layOut(image, scratch.path, tell, signal);
    const full = fullReference(registry);
    const progress = new ProgressOf(`pushing to ${full}`, totalBytes, tell);
    const digestFile = join(scratch.path, "digest");
    await copyToRegistry({ run, registry, login, signal }, scratch.path, full, digestFile, progress);
    return { reference: full, digest: (await readFile(digestFile, "utf8")).trim() };
  }

  /** @returns the bytes of its layers */
  async #layOut(image: Image, layout: string, tell: TellProgress, signal: AbortSignal): Promise<number> {
    await mkdir(join(layout, "blobs/sha256"), { recursive: true, mode: 0o700 });
    const progress = new ProgressOf("packing", undefined, tell);
    const packed: PackedLayer[] = [];
    for (const id of image.layers) packed.push(await this.#packInto(layout, id, progress, signal));
    for (const { name, bytes } of layoutFiles(image, packed)) await writeFile(join(layout, name), bytes);
    return packed.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  }

  async #packInto(layout: string, id: string, progress: ProgressOf, signal: AbortSignal): Promise<PackedLayer> {
    const { packing } = this.#parts;
    const file = join(layout, "packing");
    await pipeline(progress.counted(packing.pack(id, signal)), createWriteStream(file, { mode: 0o600 }), { signal });
    const packed = await packing.packed(id, signal);
    await rename(file, join(layout, blobName(packed.digest)));
    return packed;
  }
}

function digestGiven(reference: string): AtollError {
  return new AtollError(
    "invalid_argument",
    `cannot push to ${reference}: a digest follows from what is pushed`,
    "Name a tag, as HOST/NAME:TAG.",
  );
}
