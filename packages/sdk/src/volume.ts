/** Directories that outlive sandboxes: mounting them, and their files from outside. */
import { type ByteSource, bytesOf, outgoing } from "./byte-source.ts";
import { type CallOptions, type Client, defaultClient } from "./client.ts";
import { InvalidError } from "./errors.ts";
import type { FileEntry, Volume as VolumeInfo, VolumeMount } from "./generated/api.ts";
import { jsonLines } from "./json-lines.ts";
import { decodeUtf8 } from "./line-block.ts";
import type { Files } from "./local-files.ts";
import { sizeInBytes } from "./size.ts";
import { archiveEnd, padding, tarHeader } from "./tar.ts";

export type { VolumeInfo };

export interface VolumeNameOptions extends CallOptions {
  /** Make it if there is none of that name. */
  readonly createIfMissing?: boolean | undefined;
  /** An ordinary directory that all sandboxes write to at once, without commits and reloads. */
  readonly shared?: boolean | undefined;
  /** Most that it may hold when it is made, and that a sandbox may have of it: bytes, or text such as `"100GiB"`. The server's default when absent. */
  readonly limit?: number | string | undefined;
}

export interface VolumeMountOptions {
  readonly readOnly?: boolean | undefined;
  /** Directory of the volume to mount instead of all of it; made if missing. */
  readonly subPath?: string | undefined;
}

export interface VolumeFileOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface VolumeCopyOptions extends VolumeFileOptions {
  /** Called as bytes are passed on, with how many so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** What may be mounted: a volume, one with options, or the name of one. */
export type MountableVolume = Volume | MountedVolume | string | ({ readonly volume: string } & VolumeMountOptions);

/** Modal's heartbeat is as frequent; the server keeps an ephemeral volume for three times as long. */
const heartbeatMs = 300_000;

/** A volume and how it is mounted. */
export class MountedVolume {
  readonly volume: Volume;
  readonly options: VolumeMountOptions;

  constructor(volume: Volume, options: VolumeMountOptions) {
    this.volume = volume;
    this.options = options;
  }
}

/**
 * A directory kept by the server. A sandbox sees it as it was committed when it started or last reloaded; what it writes is committed
 * every few seconds, by `commitVolumes` and `reloadVolumes`, and before its end is told. Two writers are merged file by file, the later commit wins.
 */
export class Volume implements AsyncDisposable {
  readonly id: string;
  readonly name: string | undefined;
  readonly #client: Client;
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  private constructor(client: Client, { id, name }: VolumeInfo) {
    this.#client = client;
    this.id = id;
    this.name = name;
  }

  /**
   * The volume of that name.
   * @throws {NotFoundError} when there is none and it is not to be made; {ConflictError} when it is of the other kind, or has another limit
   */
  static async fromName(name: string, options: VolumeNameOptions = {}): Promise<Volume> {
    const { client = defaultClient(), signal, createIfMissing, shared, limit } = options;
    const body = { name, createIfMissing, shared, limitBytes: limitInBytes(limit) };
    return new Volume(client, await client.request("lookupVolume", { body, signal }));
  }

  static async fromId(id: string, options: CallOptions = {}): Promise<Volume> {
    const { client = defaultClient(), signal } = options;
    return new Volume(client, await client.request("getVolume", { params: { volume: id }, signal }));
  }

  /** A volume without a name, for as long as this program runs or a sandbox uses it: `await using volume = await Volume.ephemeral()`. */
  static async ephemeral(options: Omit<VolumeNameOptions, "createIfMissing"> = {}): Promise<Volume> {
    const { client = defaultClient(), signal, shared, limit } = options;
    const body = { shared, limitBytes: limitInBytes(limit) };
    const volume = new Volume(client, await client.request("createVolume", { body, signal }));
    const beat = () => client.request("heartbeatVolume", { params: volume.#params }).catch(() => undefined);
    const timer = setInterval(beat, heartbeatMs);
    if (typeof timer === "object") timer.unref();
    volume.#heartbeat = timer;
    return volume;
  }

  /** All volumes, by name. */
  static async list(options: CallOptions = {}): Promise<readonly VolumeInfo[]> {
    const { client = defaultClient(), signal } = options;
    return (await client.request("listVolumes", { signal })).items;
  }

  /**
   * Deletes a volume, by its name or id, with all that is in it.
   * @throws {ConflictError} while a sandbox has it mounted
   */
  static async delete(volume: string, options: CallOptions = {}): Promise<void> {
    const { client = defaultClient(), signal } = options;
    await client.request("deleteVolume", { params: { volume }, signal });
  }

  /** The same volume to be mounted in this way. */
  withMountOptions(options: VolumeMountOptions): MountedVolume {
    return new MountedVolume(this, options);
  }

  readOnly(): MountedVolume {
    return this.withMountOptions({ readOnly: true });
  }

  info({ signal }: VolumeFileOptions = {}): Promise<VolumeInfo> {
    return this.#client.request("getVolume", { params: this.#params, signal });
  }

  async rename(name: string, { signal }: VolumeFileOptions = {}): Promise<Volume> {
    return new Volume(
      this.#client,
      await this.#client.request("renameVolume", { params: this.#params, body: { name }, signal }),
    );
  }

  /** What is in a directory, in the order of names. */
  async listFiles(
    path = "/",
    { recursive, signal }: VolumeFileOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<FileEntry[]> {
    const query = { path: absolute(path), recursive };
    const { body } = await this.#client.open("listVolumeFiles", { params: this.#params, query, signal });
    const found: FileEntry[] = [];
    if (body) for await (const entry of jsonLines<FileEntry>(body)) found.push(entry);
    return found;
  }

  stat(path: string, { signal }: VolumeFileOptions = {}): Promise<FileEntry> {
    return this.#client.request("statVolumeFile", { params: this.#params, query: { path: absolute(path) }, signal });
  }

  async readText(path: string, options: VolumeFileOptions = {}): Promise<string> {
    return decodeUtf8(await this.readBytes(path, options));
  }

  async readBytes(path: string, options: VolumeFileOptions = {}): Promise<Uint8Array> {
    return new Uint8Array(await new Response(await this.readStream(path, options)).arrayBuffer());
  }

  async readStream(path: string, { signal }: VolumeFileOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const query = { path: absolute(path) };
    const { body } = await this.#client.open("readVolumeFile", { params: this.#params, query, signal });
    return body ?? new Blob([]).stream();
  }

  /** A directory and what is below it, or a file, as a tar archive. */
  async readArchive(path = "/", { signal }: VolumeFileOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const query = { path: absolute(path) };
    const { body } = await this.#client.open("readVolumeArchive", { params: this.#params, query, signal });
    return body ?? new Blob([]).stream();
  }

  /** Puts a file in place of what is there, and commits it. */
  async write(
    path: string,
    source: ByteSource,
    options: VolumeFileOptions & { readonly mode?: number | undefined; readonly exclusive?: boolean | undefined } = {},
  ): Promise<FileEntry> {
    const { signal, ...rest } = options;
    const { stream, failure } = outgoing(source);
    try {
      const input = { params: this.#params, query: { path: absolute(path), ...rest }, body: stream, signal };
      return await this.#client.request("writeVolumeFile", input);
    } catch (error) {
      throw failure(error);
    }
  }

  /** Puts many files, by their paths, and commits them at once: others see all of them or none. */
  async batch(
    files: { readonly [path: string]: string | Uint8Array },
    options: VolumeFileOptions & { readonly exclusive?: boolean | undefined } = {},
  ): Promise<void> {
    await this.writeArchive("/", archive(files), options);
  }

  /** Puts what a tar archive holds into a directory, which is made if missing, and commits it at once. */
  async writeArchive(
    path: string,
    source: ByteSource,
    options: VolumeFileOptions & { readonly exclusive?: boolean | undefined } = {},
  ): Promise<void> {
    const { signal, exclusive } = options;
    const { stream, failure } = outgoing(source);
    try {
      const query = { path: absolute(path), exclusive };
      await this.#client.request("writeVolumeArchive", { params: this.#params, query, body: stream, signal });
    } catch (error) {
      throw failure(error);
    }
  }

  /** Puts a file, or a directory with all that is in it, of this machine into the volume. In Node, Bun and Deno. */
  async copyFromLocal(local: string, path: string, options: VolumeCopyOptions = {}): Promise<void> {
    const { copyFromLocal } = await import("./local-files.ts");
    await copyFromLocal(this.#files, local, path, options);
  }

  /** Copies a file, or a directory with all that is in it, to this machine. In Node, Bun and Deno. */
  async copyToLocal(path: string, local: string, options: VolumeCopyOptions = {}): Promise<void> {
    const { copyToLocal } = await import("./local-files.ts");
    await copyToLocal(this.#files, path, local, options);
  }

  get #files(): Files {
    return {
      stat: (path, options) => this.stat(path, options),
      readArchive: (path, options) => this.readArchive(path, options),
      readStream: (path, options) => this.readStream(path, options),
      writeArchive: (path, source, { signal } = {}) => this.writeArchive(path, source, { signal }),
      writeStream: (path, source, { signal, mode } = {}) => this.write(path, source, { signal, mode }),
    };
  }

  async mkdir(
    path: string,
    options: VolumeFileOptions & { readonly parents?: boolean | undefined } = {},
  ): Promise<void> {
    const { signal, parents } = options;
    const body = { path: absolute(path), parents };
    await this.#client.request("makeVolumeDirectory", { params: this.#params, body, signal });
  }

  async removeFile(
    path: string,
    { signal, recursive }: VolumeFileOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<void> {
    const query = { path: absolute(path), recursive };
    await this.#client.request("removeVolumeFile", { params: this.#params, query, signal });
  }

  /** Copies within the volume, into `to` when that is a directory. */
  async copyFiles(
    from: readonly string[],
    to: string,
    { signal, recursive }: VolumeFileOptions & { readonly recursive?: boolean | undefined } = {},
  ): Promise<void> {
    const body = { from: from.map(absolute), to: absolute(to), recursive };
    await this.#client.request("copyVolumeFiles", { params: this.#params, body, signal });
  }

  async renameFile(
    from: string,
    to: string,
    { signal, overwrite }: VolumeFileOptions & { readonly overwrite?: boolean | undefined } = {},
  ): Promise<void> {
    const body = { path: absolute(from), to: absolute(to), overwrite };
    await this.#client.request("renameVolumeFile", { params: this.#params, body, signal });
  }

  /** Deletes an ephemeral volume; leaves others alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#heartbeat === undefined) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
    await this.#client.request("deleteVolume", { params: this.#params });
  }

  toJSON(): { id: string; name?: string } {
    return { id: this.id, ...(this.name !== undefined && { name: this.name }) };
  }

  get #params() {
    return { volume: this.id };
  }
}

/** What `volumes` of `Sandbox.create` is in the native API. */
export function volumeMounts(wanted: { readonly [path: string]: MountableVolume }): VolumeMount[] {
  return Object.entries(wanted).map(([path, given]) => {
    if (typeof given === "string") return { volume: given, path };
    if (given instanceof MountedVolume) return { volume: given.volume.id, path, ...given.options };
    if (given instanceof Volume) return { volume: given.id, path };
    if (typeof given?.volume === "string") return { ...given, path };
    throw new InvalidError(`cannot mount ${typeof given} at ${path}: it is no volume`, {
      code: "invalid_argument",
      hint: "Await Volume.fromName(...) or Volume.ephemeral() first.",
    });
  });
}

function* archive(files: { readonly [path: string]: string | Uint8Array }): Generator<Uint8Array> {
  const mtime = Math.floor(Date.now() / 1000);
  for (const [path, content] of Object.entries(files)) {
    const bytes = bytesOf(content);
    const name = absolute(path).slice(1);
    yield* tarHeader({ type: "file", name, target: "", mode: 0o644, size: bytes.length, mtime });
    yield bytes;
    yield padding(bytes.length);
  }
  yield archiveEnd;
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function limitInBytes(limit: number | string | undefined): number | undefined {
  return limit === undefined ? undefined : sizeInBytes("limit", limit);
}
