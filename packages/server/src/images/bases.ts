/** What builds start from. */
import { readlink } from "node:fs/promises";
import { join } from "node:path";
import type { ImageBuildEvent } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import { baseImage } from "../sandboxes/image.ts";
import type { Catalogue, Stack } from "./catalogue.ts";
import { emptyConfig } from "./image-config.ts";
import { type MapEntry, mapped, standIns } from "./registry/image-map.ts";
import { fullReference, parseReference } from "./registry/reference.ts";

/** For so long a registry that could not be reached is not asked for what something else stands in for. */
const unreachableMs = 60_000;

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
  /** Registries that could not be reached, by their hosts. */
  readonly #unreachable = new Map<string, { readonly error: AtollError; readonly at: number }>();

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

  /** An image of the server by that name, else one of a registry, or what stands in for it: what FROM means. */
  async named(name: string, options: PullOptions): Promise<Stack> {
    if (this.#catalogue.has(name)) return this.image(name, options.signal);
    const full = fullReference(parseReference(name));
    const other = mapped(this.#map, full) === undefined ? mapped(standIns, full) : undefined;
    // Who asks for the image anew does not want another one.
    if (other === undefined || options.force) return this.registry(name, options);
    try {
      return await this.#reached(full, () => this.registry(name, options));
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      options.tell({ event: "note", text: `${other} stands for ${name}, because the server ${error.message}` });
      return this.image(other, options.signal);
    }
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

  /** Debian with a version of Python: the base image where it has that one, else what registries have as `python:VERSION-slim`. */
  async debianSlim(pythonVersion: string, options: PullOptions): Promise<Stack> {
    const own = await this.#basePython(options.signal);
    if (own === pythonVersion) return this.image(baseImage, options.signal);
    const name = `python:${pythonVersion}-slim`;
    try {
      return await this.registry(name, options);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      const reason = `the base image has Python ${own ?? "of no version"}, and the server ${error.message}`;
      const hint = `Use Python ${own ?? "of another image"}, or map ${name} to an image that has it with ATOLL_IMAGE_MAP.`;
      throw new AtollError("unavailable", `cannot start from Python ${pythonVersion}: ${reason}`, hint);
    }
  }

  /** The minor version of the base image's Python, such as 3.11. */
  async #basePython(signal: AbortSignal): Promise<string | undefined> {
    const { layers } = await this.#catalogue.resolve(baseImage, signal);
    const targets = await Promise.all(layers.map((layer) => readlink(join(layer, "usr/bin/python3")).catch(() => "")));
    return /^python(3\.\d+)$/.exec(targets.find((target) => target !== "") ?? "")?.[1];
  }

  /** Machines without internet would wait for each attempt again. */
  async #reached<T>(full: string, attempt: () => Promise<T>): Promise<T> {
    const { host } = parseReference(full);
    const earlier = this.#unreachable.get(host);
    if (earlier && Date.now() - earlier.at < unreachableMs) throw earlier.error;
    this.#unreachable.delete(host);
    try {
      return await attempt();
    } catch (error) {
      if (isUnreachable(error)) this.#unreachable.set(host, { error, at: Date.now() });
      throw error;
    }
  }
}

function isUnreachable(error: unknown): error is AtollError {
  return error instanceof AtollError && error.code === "unavailable";
}
