/** What a sandbox's files are to begin with: described step by step, and built by the server when it is first needed. */
import { type CallOptions, type Client, defaultClient } from "./client.ts";
import { InvalidError } from "./errors.ts";
import type {
  ImageBuildStarted as BuildStarted,
  ImageBuild,
  Image as ImageInfo,
  ImageSource,
  ImageStep,
  Isolation,
  ImageLogEntry as LogEntry,
  ImagePushed as PushedImage,
} from "./generated/api.ts";
import { contextArchive, dockerfileText } from "./image-context.ts";
import { type BuildEvent, buildImage, importImage, pushImage, type TransferEvent } from "./image-events.ts";
import { exportImage } from "./image-export.ts";
import { jsonLines } from "./json-lines.ts";
import { type Archive, directoryArchive, fileArchive, upload, uploadFile } from "./local-archive.ts";
import { Secret } from "./secret.ts";

export type { BuildStarted, ImageInfo, LogEntry, PushedImage };

type Values = { readonly [name: string]: string };

export interface DebianSlimOptions {
  /** Major and minor version, such as "3.12": the server's base image if it has that one, else a registry's `python:3.12-slim`. */
  readonly pythonVersion?: string | undefined;
}

export interface RunOptions {
  /** Environment variables of this step alone; they do not become part of the image. */
  readonly env?: Values | undefined;
  /** Names of secrets of the server, for this step alone. Their values reach no layer unless the command writes them there. */
  readonly secrets?: readonly (Secret | string)[] | undefined;
}

export interface AddLocalDirOptions {
  /** Answers whether a file or directory is left out; paths are relative to the directory, with `/`. */
  readonly ignore?: ((path: string) => boolean) | undefined;
}

export interface BuildOptions extends CallOptions {
  /** Called for every line of output and every step. */
  readonly onOutput?: ((event: BuildEvent) => void) | undefined;
  /** Run every step again, whatever is cached. */
  readonly force?: boolean | undefined;
  /** Where steps run; the strongest level the machine has when absent. */
  readonly isolation?: Isolation | undefined;
}

export interface LogOptions extends CallOptions {
  /** Leaves out this many entries; the number of the last one read goes on after it. */
  readonly after?: number | undefined;
}

export interface RegistryOptions {
  /** Secret of the server with REGISTRY_USERNAME and REGISTRY_PASSWORD, or SERVICE_ACCOUNT_JSON. */
  readonly secret?: Secret | string | undefined;
}

export interface ExportOptions extends BuildOptions {
  /** Called with the bytes that have arrived, and how many there are in all. */
  readonly onProgress?: ((bytes: number, of: number) => void) | undefined;
}

/** `onOutput` is also told now and then how far the push is. */
export interface PushOptions extends BuildOptions, RegistryOptions {}

export interface ImportOptions extends CallOptions {
  /** NAME or NAME:TAG. */
  readonly name?: string | undefined;
  /** Called now and then while the archive is sent and unpacked. */
  readonly onOutput?: ((event: TransferEvent) => void) | undefined;
}

export interface DockerfileOptions {
  /** Directory that COPY and ADD take from, without what its `.dockerignore` leaves out. */
  readonly context?: string | undefined;
  /** Values of ARG. */
  readonly args?: Values | undefined;
  /** Environment variables of the RUN instructions alone; they do not become part of the image. */
  readonly env?: Values | undefined;
  /** Names of secrets of the server, for the RUN instructions alone. */
  readonly secrets?: readonly (Secret | string)[] | undefined;
  /** For images that FROM and COPY --from name; as in `fromRegistry`. */
  readonly registrySecret?: Secret | string | undefined;
}

export interface FromDockerfileOptions extends DockerfileOptions {
  /** The stage to build, by name or number; the last one when absent. */
  readonly target?: string | undefined;
}

/** What is found out, and uploaded, when an image is built. */
interface Prepared<T> {
  readonly value: T;
  readonly archive?: Archive | undefined;
}
type Later<T> = () => Promise<Prepared<T>>;
/** A step, or one that needs local files, which are read when the image is built. */
type Step = ImageStep | Later<ImageStep>;

/**
 * Immutable: every method gives a new image. Nothing is done until the image is built, by `build` or by `Sandbox.create`; what
 * was built before is found again in milliseconds.
 */
export class Image {
  readonly #from: ImageSource | Later<ImageSource>;
  readonly #steps: readonly Step[];
  /** Local files are read once. */
  readonly #prepared = new Map<Later<unknown>, Promise<Prepared<unknown>>>();

  private constructor(from: ImageSource | Later<ImageSource>, steps: readonly Step[] = []) {
    this.#from = from;
    this.#steps = steps;
  }

  /** The server's base image: Debian (or the server's own distribution) with Python, pip and venv; or one with another Python. */
  static debianSlim({ pythonVersion }: DebianSlimOptions = {}): Image {
    if (pythonVersion === undefined) return new Image({ image: "base" });
    if (!/^3\.\d{1,3}$/.test(pythonVersion)) {
      throw invalid(`cannot use Python ${pythonVersion}`, 'Name major and minor version, such as "3.11".');
    }
    return new Image({ pythonVersion });
  }

  /** An empty root. Programs for it come with `addLocalFile` and `addLocalDir`. */
  static fromScratch(): Image {
    return new Image({ scratch: true });
  }

  /** An image of the server by its id. */
  static fromId(id: string): Image {
    return new Image({ image: id });
  }

  /** An image of the server by a name it was published under: NAME or NAME:TAG. */
  static fromName(name: string): Image {
    return new Image({ image: name });
  }

  /**
   * An image of a registry: NAME:TAG, HOST/NAME:TAG or HOST/NAME@sha256:DIGEST; names without a host are Docker Hub's. It is
   * pulled once: `force` of `build`, or `Image.pull`, asks the registry again.
   */
  static fromRegistry(reference: string, { secret }: RegistryOptions = {}): Image {
    return new Image({ registry: reference, ...(secret !== undefined && { secret: nameOf(secret) }) });
  }

  /** What a Dockerfile makes. It, and its context, are read when the image is built. */
  static fromDockerfile(path: string, options: FromDockerfileOptions = {}): Image {
    const { context, target } = options;
    return new Image(async () => {
      const archive = context === undefined ? undefined : await contextArchive(context, path);
      const more = { ...dockerfileFields(options, archive), ...(target !== undefined && { target }) };
      return { value: { dockerfile: await dockerfileText(path), ...more }, archive };
    });
  }

  /** Goes on with lines of a Dockerfile, without FROM. */
  dockerfileCommands(commands: readonly string[], options: DockerfileOptions = {}): Image {
    if (commands.length === 0) return this;
    const { context } = options;
    return this.#with(async () => {
      const archive = context === undefined ? undefined : await contextArchive(context, undefined);
      return { value: { commands: commands.join("\n"), ...dockerfileFields(options, archive) }, archive };
    });
  }

  /** Installs packages with apt. */
  aptInstall(...packages: string[] | [readonly string[]]): Image {
    const names = packages.flat().map(quoted).join(" ");
    if (names === "") return this;
    const run = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${names} && rm -rf /var/lib/apt/lists/*`;
    return this.#with({ run });
  }

  /** Installs packages with pip. */
  pipInstall(...packages: string[] | [readonly string[]]): Image {
    const names = packages.flat().map(quoted).join(" ");
    return names === "" ? this : this.#with({ run: `python3 -m pip install --no-cache-dir --quiet ${names}` });
  }

  /** Runs each command with the image's shell, `/bin/sh -c`; one that exits with other than 0 fails the build. */
  runCommands(...commandsAndOptions: string[] | [...commands: string[], options: RunOptions]): Image {
    const given: readonly (string | RunOptions)[] = commandsAndOptions;
    const last = given.at(-1);
    const options: RunOptions = typeof last === "object" ? last : {};
    const commands = given.filter((command): command is string => typeof command === "string");
    const { secrets, env } = Secret.merge(options.secrets, options.env);
    return this.#with(...commands.map((run) => ({ run, ...(secrets && { secrets }), ...(env && { env }) })));
  }

  /** Environment variables of everything that runs in the image from here on. */
  env(values: Values): Image {
    return this.#with({ env: { ...values } });
  }

  /** Directory that commands start in from here on; it is made if it is not there. */
  workdir(path: string): Image {
    return this.#with({ workdir: path });
  }

  /** NAME, UID, NAME:GROUP or UID:GID that commands run as from here on. */
  user(user: string): Image {
    return this.#with({ user });
  }

  /** Comes before the command of every sandbox. Forgets `cmd`. */
  entrypoint(argv: readonly string[]): Image {
    return this.#with({ entrypoint: [...argv] });
  }

  /** The command of sandboxes that are created without one. */
  cmd(argv: readonly string[]): Image {
    return this.#with({ cmd: [...argv] });
  }

  /** What commands given as text are run with, `["/bin/sh", "-c"]` unless set. */
  shell(argv: readonly string[]): Image {
    return this.#with({ shell: [...argv] });
  }

  /** Copies a file of this machine to a path in the image; a path that ends in `/` is a directory. */
  addLocalFile(local: string, remote: string): Image {
    const name = local.split("/").at(-1) ?? local;
    const path = absolute(remote.endsWith("/") ? `${remote}${name}` : remote);
    const slash = path.lastIndexOf("/");
    return this.#with(async () => {
      const archive = await fileArchive(local, path.slice(slash + 1));
      return { value: { add: archive.digest, path: path.slice(0, slash) || "/", text: local }, archive };
    });
  }

  /** Copies what is in a directory of this machine into a directory of the image. Owners become root, times 2000-01-01. */
  addLocalDir(local: string, remote: string, options: AddLocalDirOptions = {}): Image {
    const path = absolute(remote);
    return this.#with(async () => {
      const archive = await directoryArchive(local, options.ignore);
      return { value: { add: archive.digest, path, text: local }, archive };
    });
  }

  /**
   * Builds the image, or finds it built, and returns what the server knows of it.
   * @throws {ImageBuildError} when a step fails
   * @throws {NotFoundError} when there is no image to start from
   */
  async build(options: BuildOptions = {}): Promise<ImageInfo> {
    return this.#build(options, undefined);
  }

  /**
   * Begins to build the image, and does not wait. `Image.log` follows it; a build that nobody follows for a minute is given up.
   * @throws {NotFoundError} when there is no image to start from
   */
  async start(options: Omit<BuildOptions, "onOutput"> = {}): Promise<BuildStarted> {
    const { client = defaultClient(), signal } = options;
    return client.request("startImageBuild", { body: await this.#request(options, undefined), signal });
  }

  /**
   * What the build of an image told and tells, up to its end: the event `image` or `failed`. Failures are told for a day.
   * @param image id of an image, also of one that could not be built, or a name
   * @throws {NotFoundError}
   */
  static async *log(image: string, options: LogOptions = {}): AsyncGenerator<LogEntry, void, undefined> {
    const { client = defaultClient(), signal, after } = options;
    const response = await client.open("followImageBuild", { params: { image }, query: { after }, signal });
    if (response.body) yield* jsonLines<LogEntry>(response.body);
  }

  /** The name or id to create a sandbox with; builds the image if need be. */
  async reference(options: BuildOptions): Promise<string> {
    const from = this.#from;
    if (typeof from !== "function" && "image" in from && this.#steps.length === 0) return from.image;
    return (await this.#build(options, undefined)).id;
  }

  /** Builds the image and gives it a name, NAME or NAME:TAG, taking it from another image that had it. */
  async publish(name: string, options: BuildOptions = {}): Promise<ImageInfo> {
    return this.#build(options, name);
  }

  /**
   * Pulls an image of a registry, again if it was pulled before.
   * @throws {NotFoundError} when the registry does not have it
   */
  static async pull(
    reference: string,
    options: BuildOptions & RegistryOptions & { readonly name?: string } = {},
  ): Promise<ImageInfo> {
    const { name, ...rest } = options;
    const image = Image.fromRegistry(reference, options);
    return image.#build({ ...rest, force: true }, name);
  }

  /**
   * Makes an image of a file of this machine, in the form of `docker save` or an OCI archive.
   * @throws {InvalidError} for what is no image of this machine's architecture
   */
  static async import(path: string, options: ImportOptions = {}): Promise<ImageInfo> {
    const { client = defaultClient(), signal, name, onOutput } = options;
    const content = await uploadFile(path, client, onOutput, signal);
    return importImage(client, { content, ...(name !== undefined && { name }) }, onOutput, signal);
  }

  /**
   * Builds the image if need be, and writes it as an OCI archive that `docker load` takes too; the same bytes each time.
   * @param target a file of this machine, which appears when it is whole, or a stream, which is closed
   * @throws {UnsupportedError} when it has files that other tools would misunderstand
   */
  async export(target: string | WritableStream<Uint8Array>, options: ExportOptions = {}): Promise<void> {
    const { client = defaultClient(), signal, onProgress } = options;
    await exportImage(client, await this.reference(options), target, onProgress, signal);
  }

  /**
   * Builds the image if need be, and puts it into a registry.
   * @param reference HOST/NAME:TAG; names without a host are Docker Hub's
   */
  async push(reference: string, options: PushOptions = {}): Promise<PushedImage> {
    const { client = defaultClient(), signal, secret, onOutput } = options;
    const body = { reference, ...(secret !== undefined && { secret: nameOf(secret) }) };
    return pushImage(client, await this.reference(options), body, onOutput, signal);
  }

  /** What the server knows of an image, by id or name. */
  static info(image: string, options: CallOptions = {}): Promise<ImageInfo> {
    const { client = defaultClient(), signal } = options;
    return client.request("getImage", { params: { image }, signal });
  }

  /** The server's images, newest first. */
  static async list(options: CallOptions = {}): Promise<readonly ImageInfo[]> {
    const { client = defaultClient(), signal } = options;
    return (await client.request("listImages", { signal })).items;
  }

  /** Removes a name; or, given an id, the image with all its names. Throws `ConflictError` while a sandbox uses it. */
  static async delete(image: string, options: CallOptions = {}): Promise<void> {
    const { client = defaultClient(), signal } = options;
    await client.request("removeImage", { params: { image }, signal });
  }

  async #build(options: BuildOptions, name: string | undefined): Promise<ImageInfo> {
    const { client = defaultClient(), signal, onOutput } = options;
    // An image of the server is as it is.
    const from = await this.#prepare(this.#from, client, signal);
    if ("image" in from && this.#steps.length === 0 && name === undefined) {
      return client.request("getImage", { params: { image: from.image }, signal });
    }
    return buildImage(client, await this.#request(options, name), onOutput, signal);
  }

  async #request(options: BuildOptions, name: string | undefined): Promise<ImageBuild> {
    const { client = defaultClient(), signal, force, isolation } = options;
    const steps: ImageStep[] = [];
    const from = await this.#prepare(this.#from, client, signal);
    for (const step of this.#steps) steps.push(await this.#prepare(step, client, signal));
    return {
      from,
      steps,
      ...(name !== undefined && { name }),
      ...(force && { force }),
      ...(isolation && { isolation }),
    };
  }

  async #prepare<T extends object>(given: T | Later<T>, client: Client, signal: AbortSignal | undefined): Promise<T> {
    if (typeof given !== "function") return given;
    const later = given as Later<T>;
    const preparing = (this.#prepared.get(later) ?? later()) as Promise<Prepared<T>>;
    this.#prepared.set(later, preparing);
    const { value, archive } = await preparing;
    if (archive) await upload(archive, client, signal);
    return value;
  }

  #with(...steps: readonly Step[]): Image {
    return new Image(this.#from, [...this.#steps, ...steps]);
  }
}

/** A word for the shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function absolute(path: string): string {
  if (path.startsWith("/")) return path;
  throw invalid(`cannot copy to ${path}: the path is not absolute`, "Begin it with /.");
}

function nameOf(secret: Secret | string): string {
  const name = typeof secret === "string" ? secret : secret.name;
  if (name !== undefined) return name;
  throw invalid("cannot use this secret for a registry: the server does not have it", "Create it with Secret.put.");
}

function dockerfileFields(options: DockerfileOptions, archive: Archive | undefined) {
  const { args, registrySecret } = options;
  const { secrets, env } = Secret.merge(options.secrets, options.env);
  return {
    ...(archive && { context: archive.digest }),
    ...(args && { args: { ...args } }),
    ...(env && { env }),
    ...(secrets && { secrets }),
    ...(registrySecret !== undefined && { registrySecret: nameOf(registrySecret) }),
  };
}

function invalid(message: string, hint: string): InvalidError {
  return new InvalidError(message, { code: "invalid_argument", hint });
}
