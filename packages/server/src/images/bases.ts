/** What builds start from. */
import type { ImageBuildEvent } from "@atoll/protocol";
import type { Catalogue, Stack } from "./catalogue.ts";
import { emptyConfig } from "./image-config.ts";
import { type MapEntry, mapped } from "./registry/image-map.ts";
import { fullReference, parseReference } from "./registry/reference.ts";

export type Tell = (event: ImageBuildEvent) => void;

export interface PullOptions {
  /** Name of a secret with the registry's user name and password. */
  readonly secret: string | undefined;
  /** Ask the registry even when the image was pulled before. */
  readonly force: boolean;
  readonly tell: Tell;
  readonly signal: AbortSignal;
}

export interface Puller {
  /** @param reference in full. @returns the image's id */
  pull(reference: string, options: PullOptions): Promise<string>;
}

export class Bases {
  readonly #catalogue: Catalogue;
  readonly #map: readonly MapEntry[];
  readonly #puller: Puller;

  constructor(catalogue: Catalogue, map: readonly MapEntry[], puller: Puller) {
    this.#catalogue = catalogue;
    this.#map = map;
    this.#puller = puller;
  }

  scratch(): Stack {
    return { id: "scratch", layers: [], config: emptyConfig };
  }

  image(name: string, signal: AbortSignal): Promise<Stack> {
    return this.#catalogue.stack(name, signal);
  }

  /** An image of the server by that name, else one of a registry: what FROM means. */
  async named(name: string, options: PullOptions): Promise<Stack> {
    return this.#catalogue.has(name) ? this.image(name, options.signal) : this.registry(name, options);
  }

  /** An image of a registry, or what the server uses in its place. */
  async registry(name: string, options: PullOptions): Promise<Stack> {
    const full = fullReference(parseReference(name));
    const other = mapped(this.#map, full);
    if (other !== undefined) {
      options.tell({ event: "note", text: `using ${other} in place of ${name}, as this server is set up to` });
      if (this.#catalogue.has(other)) return this.image(other, options.signal);
    }
    const reference = other === undefined ? full : fullReference(parseReference(other));
    return this.image(await this.#puller.pull(reference, options), options.signal);
  }
}
