/** All that is done with images, put together. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ImageConfig, ImageImport, ImageImportEvent, Image as ImageView, Snapshot } from "@atoll/protocol";
import type { Logger } from "pino";
import type { Leak } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import { newId, randomText } from "../id.ts";
import type { LayerStore, RunHost } from "../layers/layer-store.ts";
import type { AnswerOf, Repeatable } from "../sandboxes/answers.ts";
import { copyWritten } from "../sandboxes/copy-written.ts";
import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Store } from "../store/store.ts";
import { Bases } from "./bases.ts";
import { BuildLogs } from "./build-logs.ts";
import { buildApp } from "./build-sandbox.ts";
import { Builder } from "./builder.ts";
import { Builds } from "./builds.ts";
import type { Catalogue } from "./catalogue.ts";
import { Contents } from "./contents.ts";
import { copyDirectory, wholeOf } from "./directory-snapshot.ts";
import { Exports } from "./exports.ts";
import { FileLists } from "./file-lists.ts";
import { ImageMounts } from "./image-mounts.ts";
import { Merges } from "./merges.ts";
import { Packing } from "./packing.ts";
import { type ContextOf, planBuild } from "./planner.ts";
import type { TellProgress } from "./progress.ts";
import type { MapEntry } from "./registry/image-map.ts";
import { Pulls } from "./registry/pulls.ts";
import { Pushes } from "./registry/pushes.ts";
import { takeImage } from "./registry/take-image.ts";
import { toldOf } from "./telling.ts";

export interface SnapshotRequest {
  readonly name?: string | undefined;
  /** Of a directory, which becomes the image's root; the whole file system when absent. */
  readonly path?: string | undefined;
  /** How long the image is kept at least; for good when absent. */
  readonly ttlMs?: number | undefined;
}

export interface ImageServiceParts {
  readonly store: Store;
  /** Directory of layers and all that images are made of. */
  readonly directory: string;
  readonly run: RunHost;
  readonly layers: LayerStore;
  readonly catalogue: Catalogue;
  readonly sandboxes: Sandboxes;
  readonly processes: SandboxProcesses;
  readonly log: Logger;
  readonly stopping: AbortSignal;
  /** What is used in place of images of registries. */
  readonly map: readonly MapEntry[];
  /** Values of a secret. @throws AtollError not_found */
  readonly secret: (name: string) => Readonly<Record<string, string>>;
}

export class ImageService {
  readonly catalogue: Catalogue;
  readonly contents: Contents;
  readonly fileLists: FileLists;
  readonly builds: Builds;
  readonly pulls: Pulls;
  readonly pushes: Pushes;
  readonly exports: Exports;
  readonly mounts: ImageMounts;
  readonly #packing: Packing;
  readonly merges: Merges;
  readonly #logs: BuildLogs;
  readonly #parts: ImageServiceParts;
  /** Sandboxes whose build ended with an earlier server. */
  readonly #leftBuilds: readonly string[];

  constructor(parts: ImageServiceParts) {
    this.#parts = parts;
    this.catalogue = parts.catalogue;
    this.contents = new Contents(join(parts.directory, "contents"));
    this.fileLists = new FileLists(this.contents);
    this.#logs = new BuildLogs(join(parts.directory, "build-logs"));
    this.merges = new Merges(parts);
    this.mounts = new ImageMounts({ ...parts, layerPath: (id) => parts.layers.path(id) });
    const builder = new Builder({ ...parts, contents: this.contents });
    this.pulls = new Pulls({ ...parts, directory: join(parts.directory, "pulls") });
    this.#packing = new Packing(parts.layers, join(parts.directory, "exports"));
    this.pushes = new Pushes({ ...parts, packing: this.#packing });
    this.exports = new Exports(parts.catalogue, this.#packing, parts.stopping);
    const bases = new Bases(parts.catalogue, parts.map, this.pulls);
    const uploaded: ContextOf = (digest, signal) => this.contents.tree(digest, signal);
    this.builds = new Builds(
      builder,
      parts.catalogue,
      (build, tell, signal, contextOf = uploaded) => planBuild(bases, build, { tell, contextOf, signal }),
      this.#logs,
      parts.stopping,
    );
    const { apps, sandboxes } = parts.store;
    const unsettled = sandboxes.unsettled().filter(({ app }) => app === buildApp);
    this.#leftBuilds = unsettled.map(({ id }) => id);
    if (!apps.named(buildApp)) apps.insert({ id: newId("ap"), name: buildApp, createdAt: Date.now() });
  }

  /** Once the sandboxes of an earlier server were taken up. */
  async endLeftBuilds(): Promise<void> {
    const { sandboxes, stopping } = this.#parts;
    await Promise.all(this.#leftBuilds.map((id) => sandboxes.terminate(id, stopping)));
  }

  /**
   * Makes an image of a running sandbox's file system, or of one directory of it.
   * @param repeatable with an idempotency key: a repetition gets the image of the first request
   * @throws AtollError not_found, sandbox_finished
   */
  async snapshot(
    sandboxId: string,
    request: SnapshotRequest,
    repeatable: Repeatable | undefined,
    signal: AbortSignal,
  ): Promise<Snapshot> {
    const { stopping } = this.#parts;
    // A caller who can ask again is not the only one who waits for it.
    const limit = repeatable ? stopping : AbortSignal.any([signal, stopping]);
    let pausedMs = 0;
    const imageId = await this.#parts.sandboxes.answers.once(repeatable, async (answer) => {
      const made = await this.#snapshot(sandboxId, request, answer, limit);
      pausedMs = Math.round(made.pausedMs * 10) / 10;
      return made.imageId;
    });
    return { image: this.catalogue.view(imageId), pausedMs };
  }

  async #snapshot(
    sandboxId: string,
    { name, path, ttlMs }: SnapshotRequest,
    answer: AnswerOf | undefined,
    signal: AbortSignal,
  ) {
    const { sandboxes, layers, store, catalogue } = this.#parts;
    const live = sandboxes.live(sandboxId);
    if (!live) throw new AtollError("sandbox_finished", `cannot snapshot ${sandboxId}: the sandbox has ended`);
    const stack = live.row.spec.layers;
    if (!stack) throw new AtollError("unsupported", `cannot snapshot ${sandboxId}: an older server made it`);
    const whole = path === undefined ? undefined : wholeOf(path, stack, store.mounts.of(sandboxId));
    using below = await this.merges.withRoom(whole?.stack ?? stack, signal);
    if (name !== undefined) catalogue.checkName(name);
    const id = `ly-${randomText(22)}`;
    let pausedMs = 0;
    const fill = async (directory: string) => {
      pausedMs = whole
        ? await copyDirectory(layers, live, { ...whole, stack: below.layers }, directory, signal)
        : await copyWritten(live, directory, signal);
    };
    const sizeBytes = await layers.make(id, fill, signal);
    try {
      const config = whole ? { env: {} } : await this.#configOf(live.row.spec.imageId, signal);
      store.durably(() => store.layers.insert({ id, sizeBytes, createdAt: Date.now() }));
      const origin = { kind: "snapshot", of: sandboxId } as const;
      const expiresAt = ttlMs === undefined ? undefined : Date.now() + ttlMs;
      const imageId = store.durably(() => {
        const made = catalogue.insert({ layers: whole ? [id] : [...below.layers, id], config, origin, expiresAt });
        if (answer) store.answers.insert(answer(made.id));
        if (name !== undefined) catalogue.name(made.id, name);
        return made.id;
      });
      return { imageId, pausedMs };
    } finally {
      layers.release(id);
      await catalogue.removeUnusedLayers();
    }
  }

  async #configOf(imageId: string | undefined, signal: AbortSignal): Promise<ImageConfig> {
    if (imageId === undefined || imageId.startsWith("~")) return { env: {} };
    return (await this.catalogue.stack(imageId, signal)).config;
  }

  /** Imports, telling how far it is; the last event is `image` or `failed`. */
  importing({ content, name }: ImageImport, signal: AbortSignal): AsyncGenerator<ImageImportEvent> {
    const take = (tell: TellProgress) => this.import(content, name, tell, signal);
    return toldOf<ImageImportEvent, ImageView>("import", take, (image) => ({ event: "image", image }), signal);
  }

  /**
   * Makes an image of an uploaded archive, in the form of `docker save` or an OCI layout.
   * @throws AtollError not_found, invalid_argument, payload_too_large, capacity
   */
  async import(content: string, name: string | undefined, tell: TellProgress, signal: AbortSignal): Promise<ImageView> {
    if (name !== undefined) this.catalogue.checkName(name);
    const limit = AbortSignal.any([signal, this.#parts.stopping]);
    const tree = await this.contents.tree(content, limit);
    const taken = { origin: { kind: "import", of: content }, recipe: undefined } as const;
    const image = await takeImage(this.#parts, tree, taken, tell, limit);
    return name === undefined ? image : this.catalogue.name(image.id, name);
  }

  /** Removes images and uploads whose time is over. */
  async expire(now: number): Promise<void> {
    await this.catalogue.expire(now);
    await this.contents.expire(now);
  }

  /** What belongs to no image, build or upload. */
  async sweep(): Promise<Leak[]> {
    const { layers, catalogue } = this.#parts;
    const names = await layers.strays(catalogue.knownLayers());
    const strays = names.map(
      (name): Leak => ({ kind: "file", what: layers.path(name), remove: () => layers.removeTree(layers.path(name)) }),
    );
    const unused = catalogue.unusedLayers().map(
      (id): Leak => ({
        kind: "file",
        what: layers.path(id),
        remove: async () => void (await catalogue.removeUnusedLayers()),
      }),
    );
    const mounts = (await layers.strayMounts()).map((mount): Leak => ({ kind: "mount", ...mount }));
    const contents = (await this.contents.strays(Date.now())).map(
      (what): Leak => ({ kind: "file", what, remove: () => rm(what, { force: true }) }),
    );
    const imageIds = new Set(catalogue.list().map(({ id }) => id));
    const logs = (await this.#logs.strays(imageIds, Date.now())).map(
      (what): Leak => ({ kind: "file", what, remove: () => rm(what, { force: true }) }),
    );
    const transfers = [...(await this.pulls.strays()), ...(await this.#packing.strays())].map(
      (what): Leak => ({ kind: "file", what, remove: () => layers.removeTree(what) }),
    );
    return [...mounts, ...strays, ...unused, ...contents, ...logs, ...transfers];
  }
}
