/** Images of registries, each pulled once however many ask for it at once. */
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { randomText } from "../../id.ts";
import type { RunHost } from "../../layers/layer-store.ts";
import { Slots } from "../../slots.ts";
import type { Puller, PullOptions, Tell } from "../bases.ts";
import { MountedTree } from "../mounted-tree.ts";
import type { TellProgress } from "../progress.ts";
import { digestOf } from "../recipe.ts";
import { authFile } from "./credentials.ts";
import { parseReference } from "./reference.ts";
import { copyFromRegistry } from "./skopeo.ts";
import { type TakeParts, takeImage } from "./take-image.ts";

const pullsAtOnce = 3;
const progressMs = 500;

export interface PullParts extends TakeParts {
  readonly run: RunHost;
  /** For what is pulled and not unpacked yet. */
  readonly directory: string;
  readonly secret: (name: string) => Readonly<Record<string, string>>;
  readonly stopping: AbortSignal;
}

interface UnderWay {
  readonly image: Promise<string>;
  readonly told: Set<Tell>;
  readonly stop: AbortController;
}

export class Pulls implements Puller {
  readonly #parts: PullParts;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #slots = new Slots(pullsAtOnce);

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  async pull(reference: string, options: PullOptions): Promise<string> {
    const known = options.force ? undefined : this.#parts.catalogue.ofRecipe(recipeOf(reference));
    if (known) return known.id;
    const { tell, signal, secret } = options;
    signal.throwIfAborted();
    const key = JSON.stringify([reference, secret]);
    const under = this.#underWay.get(key) ?? this.#begin(key, reference, secret);
    under.told.add(tell);
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      const id = await Promise.race([under.image, promise]);
      tell({ event: "note", text: `pulled ${reference}` });
      return id;
    } finally {
      signal.removeEventListener("abort", abort);
      under.told.delete(tell);
      if (under.told.size === 0) under.stop.abort(new Error("nobody waits for the image any more"));
    }
  }

  /** Settles once nothing is under way; the server's stopping ends what is. */
  async stop(): Promise<void> {
    await Promise.allSettled([...this.#underWay.values()].map(({ image }) => image));
  }

  /** Paths of what no pull under way accounts for. */
  async strays(): Promise<string[]> {
    if (this.#underWay.size > 0) return [];
    const names = await readdir(this.#parts.directory).catch((): string[] => []);
    return names.map((name) => join(this.#parts.directory, name));
  }

  #begin(key: string, reference: string, secret: string | undefined): UnderWay {
    const stop = new AbortController();
    const told = new Set<Tell>();
    const signal = AbortSignal.any([stop.signal, this.#parts.stopping]);
    const tellAll: TellProgress = (progress) => {
      for (const tell of told) tell(progress);
    };
    const image = this.#slots
      .with(() => this.#pull(reference, secret, tellAll, signal), signal)
      .finally(() => this.#underWay.delete(key));
    image.catch(() => undefined); // those who wait are told
    const under = { image, told, stop };
    this.#underWay.set(key, under);
    return under;
  }

  async #pull(reference: string, secret: string | undefined, tell: TellProgress, signal: AbortSignal): Promise<string> {
    const { run, directory, layers } = this.#parts;
    const registry = parseReference(reference);
    const login = secret === undefined ? undefined : authFile(registry.host, secret, this.#parts.secret(secret));
    const scratch = join(directory, randomText(12));
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    const look = async () => tell({ event: "progress", what: `pulling ${reference}`, bytes: await sizeOf(scratch) });
    const watching = setInterval(look, progressMs);
    try {
      // A digest names the image for good; a registry is not asked by tag and digest together.
      const full = `${registry.host}/${registry.path}${registry.digest ? `@${registry.digest}` : `:${registry.tag}`}`;
      await copyFromRegistry({ run, registry, login, signal }, full, scratch);
      clearInterval(watching);
      const origin = { kind: "pull", of: reference } as const;
      const taken = { origin, recipe: recipeOf(reference) };
      return (await takeImage(this.#parts, new MountedTree(scratch), taken, tell, signal)).id;
    } finally {
      clearInterval(watching);
      await layers.removeTree(scratch);
    }
  }
}

function recipeOf(reference: string): string {
  return digestOf(["pull", reference]);
}

async function sizeOf(layout: string): Promise<number> {
  const blobs = join(layout, "blobs/sha256");
  const names = await readdir(blobs).catch((): string[] => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(blobs, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}
