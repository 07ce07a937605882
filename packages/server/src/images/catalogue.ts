/** The images of this machine: their names, what they consist of, and what may be removed. */
import { basename } from "node:path";
import type { ImageConfig, ImageOrigin, ImagePrune, Image as ImageView } from "@atoll/protocol";
import { Change } from "../change.ts";
import { AtollError } from "../error.ts";
import { newId, randomText } from "../id.ts";
import { type LayerStore, mostLayers } from "../layers/layer-store.ts";
import { baseImage, type Image, type Images, noImage } from "../sandboxes/image.ts";
import type { ImageRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { fullName } from "./image-name.ts";

/** How exactly it is known when an image was last used. */
const usePrecisionMs = 60_000;

export interface CatalogueParts {
  readonly store: Store;
  readonly layers: LayerStore;
  /** Offers the base image. */
  readonly base: Images;
  /** What sandboxes that are not removed yet stand on. */
  readonly inUse: () => { readonly images: ReadonlySet<string>; readonly layers: ReadonlySet<string> };
}

export interface NewImage {
  /** A new one when absent. */
  readonly id?: string | undefined;
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  readonly origin: ImageOrigin;
  readonly recipe?: string | undefined;
  readonly expiresAt?: number | undefined;
}

/** A stack of layers, by their ids, and what its processes start with. */
export interface Stack {
  readonly id: string;
  readonly layers: readonly string[];
  readonly config: ImageConfig;
}

export class Catalogue implements Images {
  readonly #parts: CatalogueParts;
  /** Roots of builds, under names that nobody else can know. */
  readonly #roots = new Map<string, Image>();
  /** Announced with each new image. */
  readonly inserted = new Change();
  /** Layers that something under way stands on, and how often. */
  readonly #held = new Map<string, number>();

  constructor(parts: CatalogueParts) {
    this.#parts = parts;
  }

  async resolve(name: string, signal: AbortSignal): Promise<Image> {
    const root = this.#roots.get(name);
    if (root) return root;
    if (name === baseImage) return await this.#parts.base.resolve(name, signal);
    const row = this.#row(name);
    this.#touch(row);
    const { env, workdir, user, entrypoint, cmd } = row.config;
    const layers = row.layers.map((layer) => this.#parts.layers.path(layer));
    return { id: row.id, layers, environment: env, workdir, user, entrypoint, cmd };
  }

  has(name: string): boolean {
    const { images } = this.#parts.store;
    return name === baseImage || images.get(name) !== undefined || images.named(fullName(name)) !== undefined;
  }

  async stack(name: string, signal: AbortSignal): Promise<Stack> {
    if (name !== baseImage) return this.#row(name);
    const { layers, environment } = await this.#parts.base.resolve(name, signal);
    return { id: baseImage, layers: layers.map((path) => basename(path)), config: { env: { ...environment } } };
  }

  /** Lets a sandbox be created from layers that are no image yet, for as long as `use` runs. */
  async withRoot<T>(layers: readonly string[], use: (name: string) => Promise<T>): Promise<T> {
    const name = `~${randomText(22)}`;
    this.#roots.set(name, { id: name, layers: layers.map((id) => this.#parts.layers.path(id)), environment: {} });
    try {
      return await use(name);
    } finally {
      this.#roots.delete(name);
    }
  }

  async get(name: string, signal: AbortSignal): Promise<ImageView> {
    if (name !== baseImage) return this.#view(this.#row(name));
    const { layers, config } = await this.stack(name, signal);
    const never = new Date(0).toISOString();
    return {
      id: baseImage,
      names: [baseImage],
      config: { ...config, env: { ...config.env } },
      layers: [...layers],
      sizeBytes: 0,
      origin: { kind: "base" },
      createdAt: never,
      usedAt: never,
    };
  }

  /** @throws AtollError not_found */
  view(id: string): ImageView {
    return this.#view(this.#row(id));
  }

  list(): ImageView[] {
    return this.#parts.store.images.list().map((row) => this.#view(row));
  }

  ofRecipe(recipe: string): ImageView | undefined {
    const row = this.#parts.store.images.ofRecipe(recipe);
    if (!row) return undefined;
    this.#touch(row);
    return this.#view(row);
  }

  /**
   * Stores an image whose layers are all stored.
   * @throws AtollError unsupported for a stack that is too deep
   */
  insert({ id = newId("im"), layers, config, origin, recipe, expiresAt }: NewImage): ImageView {
    checkDepth(layers.length);
    const { store } = this.#parts;
    const now = Date.now();
    const row: ImageRow = { id, recipe, layers, config, origin, createdAt: now, usedAt: now, expiresAt };
    store.durably(() => {
      const earlier = recipe === undefined ? undefined : store.images.ofRecipe(recipe);
      if (earlier) store.images.forgetRecipe(earlier.id);
      store.images.insert(row);
      // A forced build takes the names of what it replaces; sandboxes may go on using the earlier image.
      for (const name of earlier ? store.images.names(earlier.id) : []) store.images.name(name, row.id);
    });
    this.inserted.announce();
    return this.#view(row);
  }

  /** @throws AtollError invalid_argument for a name that is taken for good */
  checkName(name: string): void {
    if (fullName(name) === fullName(baseImage) || /^im-[0-9A-Za-z]{22}(:|$)/.test(name)) {
      throw new AtollError("invalid_argument", `cannot name an image "${name}": that means another one always`);
    }
  }

  /** @throws AtollError not_found, and as `checkName` */
  name(image: string, name: string): ImageView {
    const row = this.#row(image);
    this.checkName(name);
    this.#parts.store.durably(() => this.#parts.store.images.name(fullName(name), row.id));
    return this.#view(row);
  }

  /** Removes a name; or, given an id, the image. @throws AtollError not_found, conflict */
  async remove(given: string): Promise<void> {
    const { store, inUse } = this.#parts;
    const row = this.#row(given);
    if (given !== row.id) return void store.durably(() => store.images.unname(fullName(given)));
    if (inUse().images.has(row.id)) {
      throw new AtollError(
        "conflict",
        `cannot remove the image ${row.id}: a sandbox uses it`,
        "Terminate its sandboxes first.",
      );
    }
    store.durably(() => this.#forget(row.id));
    await this.removeUnusedLayers();
  }

  /** Removes images whose time is over, with their names; one that a sandbox uses is left for later. */
  async expire(now: number): Promise<void> {
    const { store, inUse } = this.#parts;
    const expired = store.images.expired(now);
    if (expired.length === 0) return;
    const { images: used } = inUse();
    const removable = expired.filter(({ id }) => !used.has(id));
    if (removable.length === 0) return;
    store.durably(() => {
      for (const { id } of removable) this.#forget(id);
    });
    await this.removeUnusedLayers();
  }

  /** A request that made it and is repeated makes another. */
  #forget(id: string): void {
    this.#parts.store.images.remove(id);
    this.#parts.store.answers.removeFor(id);
  }

  /** Removes what could be built again: built images without a name that no sandbox uses. */
  async prune(isDryRun: boolean, unusedForMs: number): Promise<ImagePrune> {
    const { store } = this.#parts;
    const { images: used } = this.#parts.inUse();
    const before = Date.now() - unusedForMs;
    const removable = store.images
      .list()
      .filter(
        ({ id, origin, usedAt }) =>
          (origin.kind === "build" || origin.kind === "pull") && usedAt <= before && !used.has(id),
      )
      .filter(({ id }) => store.images.names(id).length === 0);
    if (isDryRun) return { images: removable.map(({ id }) => id), freedBytes: this.#bytesOf(removable) };
    store.durably(() => {
      for (const { id } of removable) store.images.remove(id);
      store.layers.removeUnusedSteps();
    });
    return { images: removable.map(({ id }) => id), freedBytes: await this.removeUnusedLayers() };
  }

  /** What would be free without these images and without the build cache. */
  #bytesOf(removable: readonly ImageRow[]): number {
    const { store } = this.#parts;
    const gone = new Set(removable.map(({ id }) => id));
    const images = store.images.list().filter(({ id }) => !gone.has(id));
    const kept = new Set([...images, ...store.volumes.list()].flatMap(({ layers }) => layers));
    const isInUse = this.#inUse();
    const free = store.layers.list().filter(({ id }) => !kept.has(id) && !isInUse(id));
    return sum(free.map(({ sizeBytes }) => sizeBytes));
  }

  /** What `removeUnusedLayers` would free. */
  unusedBytes(): number {
    return sum(this.#unused().map(({ sizeBytes }) => sizeBytes));
  }

  /** Ids of layers that nothing stands on, and no build would find again. */
  unusedLayers(): string[] {
    return this.#unused().map(({ id }) => id);
  }

  #unused() {
    const isInUse = this.#inUse();
    return this.#parts.store.layers.unused().filter(({ id }) => !isInUse(id));
  }

  /** Whether a layer is used by a sandbox, or by something under way. */
  #inUse(): (id: string) => boolean {
    const { layers, inUse } = this.#parts;
    const used = inUse().layers;
    return (id) => this.#held.has(id) || used.has(id) || layers.isHeld(id);
  }

  /** @returns bytes freed */
  async removeUnusedLayers(): Promise<number> {
    const { store, layers } = this.#parts;
    const unused = this.#unused();
    // Rows first: a layer without a row is removed at the next start, a row without its layer would break an image.
    store.durably(() => {
      for (const { id } of unused) store.layers.remove(id);
    });
    for (const { id } of unused) await layers.remove(id);
    return sum(unused.map(({ sizeBytes }) => sizeBytes));
  }

  /** Ids of all layers that are accounted for. */
  knownLayers(): ReadonlySet<string> {
    return new Set(this.#parts.store.layers.list().map(({ id }) => id));
  }

  /** Keeps layers from being removed until it is disposed of. */
  hold(ids: readonly string[]): Disposable {
    for (const id of ids) this.#held.set(id, (this.#held.get(id) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        for (const id of ids) {
          const left = (this.#held.get(id) ?? 1) - 1;
          if (left === 0) this.#held.delete(id);
          else this.#held.set(id, left);
        }
      },
    };
  }

  #touch(row: ImageRow): void {
    const now = Date.now();
    if (now - row.usedAt > usePrecisionMs) this.#parts.store.images.touch(row.id, now);
  }

  #row(name: string): ImageRow {
    const { images } = this.#parts.store;
    const row = images.get(name) ?? images.named(fullName(name));
    if (row) return row;
    throw noImage(name);
  }

  #view(row: ImageRow): ImageView {
    const { store } = this.#parts;
    return {
      id: row.id,
      names: store.images.names(row.id),
      config: row.config,
      layers: [...row.layers],
      sizeBytes: sum(row.layers.map((layer) => store.layers.get(layer)?.sizeBytes ?? 0)),
      origin: row.origin,
      createdAt: new Date(row.createdAt).toISOString(),
      usedAt: new Date(row.usedAt).toISOString(),
      ...(row.expiresAt !== undefined && { expiresAt: new Date(row.expiresAt).toISOString() }),
    };
  }
}

export function checkDepth(layers: number): void {
  if (layers <= mostLayers) return;
  throw new AtollError(
    "unsupported",
    `cannot make an image of ${layers} layers: ${mostLayers} is the limit`,
    "Put several commands into one step, or start from an image that has fewer.",
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
