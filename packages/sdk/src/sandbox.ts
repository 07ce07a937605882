/** A sandbox: creating and finding one, running processes in it, and its end. */
import { App } from "./app.ts";
import { parseCommand } from "./arguments.ts";
import { type CallOptions, type Client, defaultClient } from "./client.ts";
import { ConflictError, InvalidError, NotFoundError } from "./errors.ts";
import { type FileMode, openFile, type SandboxFile } from "./file.ts";
import { type FileOptions, SandboxFilesystem } from "./filesystem.ts";
import type { Sandbox as SandboxInfo, SandboxState } from "./generated/api.ts";
import { Image } from "./image.ts";
import type { OutputLogEntry, OutputLogOptions } from "./log.ts";
import { SandboxNetwork } from "./network.ts";
import {
  type ExecOptions,
  execBody,
  type NetworkPolicyOptions,
  networkPolicyBody,
  type SandboxCreateOptions,
  sandboxCreateBody,
} from "./options.ts";
import type { OutputReader } from "./output.ts";
import { Process } from "./process.ts";
import { type FinishedResult, sandboxResult, type WaitOptions, waitUntil } from "./result.ts";
import type { StdinWriter } from "./stdin.ts";
import type { Terminal, TerminalOptions } from "./terminal.ts";
import { type ConnectToken, type ConnectTokenOptions, metadataText, Tunnel } from "./tunnel.ts";
import { volumeMounts } from "./volume.ts";

export type { SandboxInfo };

export interface MountImageOptions {
  /** Nothing can be written there. */
  readonly readOnly?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SnapshotOptions {
  /** Publishes the image under this name: NAME or NAME:TAG. */
  readonly name?: string | undefined;
  /** Removes the image this many milliseconds after it was made, once nothing uses it; it is kept when absent. */
  readonly ttlMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Options {
  readonly signal?: AbortSignal | undefined;
}

export interface SandboxListOptions extends CallOptions {
  /** Only those of this app. */
  readonly app?: App | string | undefined;
  /** Only those with all of these tags. */
  readonly tags?: { readonly [name: string]: string } | undefined;
  /** Only those in this state. */
  readonly state?: SandboxState | undefined;
  /** Finished ones too. */
  readonly all?: boolean | undefined;
}

export class Sandbox implements AsyncDisposable {
  readonly id: string;
  /** Its files. */
  readonly fs: SandboxFilesystem;
  /** What it reached outside. */
  readonly network: SandboxNetwork;
  readonly #client: Client;
  /** The sandbox's own command. */
  readonly #main: Process;
  #lastInfo: SandboxInfo;
  #isDetached = false;

  private constructor(client: Client, info: SandboxInfo, stdinOffset?: number) {
    this.#client = client;
    this.id = info.id;
    this.#lastInfo = info;
    this.fs = new SandboxFilesystem(client, info.id);
    this.network = new SandboxNetwork(client, info.id);
    this.#main = new Process(client, info.id, "main", stdinOffset);
  }

  /**
   * Creates a sandbox and starts its command in it. Without a command it idles until it is terminated.
   * A lost connection is tried again without making a second sandbox.
   * @throws {InvalidError} for an option that does not exist or has a wrong value
   * @throws {CapacityError} when the server has no room
   * @throws {UnsupportedError} when the isolation level or the GPU is not to be had
   */
  static create(options?: SandboxCreateOptions): Promise<Sandbox>;
  static create(argv: readonly string[], options?: SandboxCreateOptions): Promise<Sandbox>;
  static create(...argvAndOptions: string[] | [...argv: string[], options: SandboxCreateOptions]): Promise<Sandbox>;
  static async create(...given: readonly unknown[]): Promise<Sandbox> {
    const { argv, options } = parseCommand<SandboxCreateOptions>("create a sandbox", given);
    const { client = defaultClient(), signal } = options;
    const { image, isolation, volumes: wanted } = options;
    const volumes = wanted && volumeMounts(wanted);
    const known = { ...sandboxCreateBody(argv, options), ...(volumes && { volumes }) };
    const body =
      image instanceof Image ? { ...known, image: await image.reference({ client, signal, isolation }) } : known;
    return new Sandbox(client, await client.request("createSandbox", { body, signal }), 0);
  }

  /** A sandbox made earlier, or by another program. */
  static async fromId(id: string, options: CallOptions = {}): Promise<Sandbox> {
    const { client = defaultClient(), signal } = options;
    return new Sandbox(client, await client.request("getSandbox", { params: { sandboxId: id }, signal }));
  }

  /**
   * The sandbox of that name that has not finished.
   * @throws {NotFoundError} when there is none
   */
  static async fromName(app: App | string, name: string, options: CallOptions = {}): Promise<Sandbox> {
    const { client = defaultClient(), signal } = options;
    const query = { app: appName(app), name, limit: 1 };
    const [info] = (await client.request("listSandboxes", { query, signal })).items;
    if (!info) throw noSuchName(appName(app), name);
    return new Sandbox(client, info);
  }

  /** Sandboxes, newest first; pages are fetched as they are needed. */
  static async *list(options: SandboxListOptions = {}): AsyncGenerator<Sandbox, void, undefined> {
    const { client = defaultClient(), signal, app, tags, state, all } = options;
    const tag = Object.entries(tags ?? {}).map(([key, value]) => `${key}=${value}`);
    let cursor: string | undefined;
    do {
      const query = { app: app && appName(app), tag, state, all, cursor };
      const page = await client.request("listSandboxes", { query, signal });
      for (const info of page.items) yield new Sandbox(client, info);
      cursor = page.nextCursor;
    } while (cursor);
  }

  get stdin(): StdinWriter {
    return this.#main.stdin;
  }

  get stdout(): OutputReader {
    return this.#main.stdout;
  }

  /** Empty for a sandbox with a terminal: a terminal has one output. */
  get stderr(): OutputReader {
    return this.#main.stderr;
  }

  /** The exit code, once `wait` or `poll` has seen it; null before. */
  get returncode(): number | null {
    return this.#lastInfo.result?.exitCode ?? null;
  }

  /** What the server said last; no request. */
  get lastInfo(): SandboxInfo {
    return this.#lastInfo;
  }

  /** What the server knows of it, with its timeline. */
  async info(options: Options = {}): Promise<SandboxInfo> {
    return this.#seen(await this.#client.request("getSandbox", { params: this.#params, ...options }));
  }

  /**
   * Starts a process in the sandbox. A command that cannot be executed is a finished process with exit code 127 or 126.
   * @throws {ConflictError} when the sandbox has finished
   */
  exec(argv: readonly string[], options?: ExecOptions): Promise<Process>;
  exec(...argvAndOptions: string[] | [...argv: string[], options: ExecOptions]): Promise<Process>;
  async exec(...given: readonly unknown[]): Promise<Process> {
    const { argv, options } = parseCommand<ExecOptions>("exec", given);
    if (argv.length === 0) throw noCommand();
    const body = execBody(argv, options);
    const { id } = await this.#client.request("exec", { params: this.#params, body, signal: options.signal });
    return new Process(this.#client, this.id, id, 0);
  }

  /**
   * Opens a file, as `open` of C and Python does: `r` reads, `w` empties or makes it, `a` writes at its end, `x` makes it and fails if it exists, a
   * `+` allows both ways, a `b` gives and takes bytes instead of text.
   * @throws {SandboxFilesystemError} of the class that says why it cannot be opened
   */
  open(path: string, mode?: FileMode, options?: FileOptions): Promise<SandboxFile<string>>;
  open(path: string, mode: `${FileMode}b`, options?: FileOptions): Promise<SandboxFile<Uint8Array>>;
  open(path: string, mode: FileMode | `${FileMode}b` = "r", options: FileOptions = {}) {
    return openFile(this.fs, path, mode, options);
  }

  /** A process started by exec, by its id; `main` is the sandbox's own command. Makes no request. */
  process(id: string): Process {
    return new Process(this.#client, this.id, id);
  }

  /** The sandbox's processes, its own command included. */
  async processes(options: Options = {}): Promise<Process[]> {
    const { items } = await this.#client.request("listProcesses", { params: this.#params, ...options });
    return items.map(({ id }) => this.process(id));
  }

  /**
   * Waits until the sandbox has finished; an exit code other than 0 is returned like any other.
   * @throws {SandboxTimeoutError} when it reached its lifetime or idle limit
   * @throws {SandboxTerminatedError} when it was terminated, unless `raiseOnTermination` is false
   */
  async wait(options: WaitOptions = {}): Promise<FinishedResult> {
    const { params, signal } = { params: this.#params, signal: options.signal };
    const ended = await waitUntil(
      (timeoutMs) => this.#client.request("waitSandbox", { params, query: { timeoutMs }, signal }),
      (info) => info.result !== undefined,
      options,
    );
    const { result } = this.#seen(ended);
    return sandboxResult(this.id, result as NonNullable<typeof result>, options);
  }

  /**
   * Waits until the readiness probe has passed.
   * @throws {ConflictError} when the sandbox finished before
   */
  async waitUntilReady(options: Pick<WaitOptions, "signal" | "timeoutMs"> = {}): Promise<void> {
    const { params, signal } = { params: this.#params, signal: options.signal };
    const info = await waitUntil(
      (timeoutMs) => this.#client.request("waitSandboxReady", { params, query: { timeoutMs }, signal }),
      ({ readyAt, result }) => readyAt !== undefined || result !== undefined,
      options,
    );
    if (this.#seen(info).readyAt === undefined) throw finishedBeforeReady(info);
  }

  /** Its exit code, or null while it has not finished. */
  async poll(options: Options = {}): Promise<number | null> {
    await this.info(options);
    return this.returncode;
  }

  /** Ends the sandbox and every process in it. Does nothing to one that has finished. */
  async terminate(options: Options = {}): Promise<void> {
    this.#seen(await this.#client.request("terminateSandbox", { params: this.#params, ...options }));
  }

  /** Lets the sandbox live on past the end of an `await using` block; its time limits still hold. */
  detach(): void {
    this.#isDetached = true;
  }

  /**
   * Makes an image of the sandbox's files as they are now; the sandbox goes on. Its processes stand still for the time of the
   * copy, see docs/images.md.
   * @throws {ConflictError} when the sandbox has finished
   */
  async snapshotFilesystem(options: SnapshotOptions = {}): Promise<Image> {
    const { name, ttlMs, signal } = options;
    const body = { name, ttlMs };
    const { image } = await this.#client.request("snapshotSandbox", { params: this.#params, body, signal });
    return Image.fromId(image.id);
  }

  /**
   * Makes an image of one directory as it is now, which becomes its root: to be mounted elsewhere, or built upon. Where an image is
   * mounted, what was written there is part of it; what is mounted further in is not.
   * @throws {ConflictError} when the sandbox has finished; {FileNotFoundError}, {NotADirectoryError}
   */
  async snapshotDirectory(path: string, options: SnapshotOptions = {}): Promise<Image> {
    const { name, ttlMs, signal } = options;
    const body = { path, name, ttlMs };
    const { image } = await this.#client.request("snapshotSandbox", { params: this.#params, body, signal });
    return Image.fromId(image.id);
  }

  /**
   * Mounts an image at a path of the running sandbox, which is made when missing. What is written there goes to the sandbox's disk,
   * is not part of snapshots of the file system, and is gone once it is unmounted; with `readOnly` writing fails.
   * @throws {ConflictError} when something uses the image that it would take the place of; {InvalidArgumentError} for a path that cannot be
   */
  async mountImage(path: string, image: Image | string, options: MountImageOptions = {}): Promise<void> {
    const { signal, readOnly } = options;
    const reference = typeof image === "string" ? image : await image.reference({ client: this.#client, signal });
    await this.#client.request("mountImage", {
      params: this.#params,
      body: { path, image: reference, readOnly },
      signal,
    });
  }

  /** Unmounts an image. @throws {ConflictError} while a process of the sandbox uses a file or directory of it */
  async unmountImage(path: string, options: Options = {}): Promise<void> {
    await this.#client.request("unmountImage", { params: this.#params, query: { path }, ...options });
  }

  /**
   * The ways into its ports, by port, once it runs.
   * @throws {ConflictError} when the sandbox has finished
   */
  async tunnels(options: Pick<WaitOptions, "signal" | "timeoutMs"> = {}): Promise<{ [port: number]: Tunnel }> {
    const { signal, timeoutMs } = options;
    const { items } = await this.#client.request("listTunnels", { params: this.#params, query: { timeoutMs }, signal });
    return Object.fromEntries(items.map((info) => [info.containerPort, new Tunnel(info)]));
  }

  /** A URL for a port, and the token that it asks for: as `Authorization: Bearer`, or as `?_atoll_connect_token=` in a browser. */
  async createConnectToken(options: ConnectTokenOptions = {}): Promise<ConnectToken> {
    const { port, userMetadata, ttl, ttlMs = ttl === undefined ? undefined : ttl * 1000, signal } = options;
    const body = { port, userMetadata: metadataText(userMetadata), ttlMs };
    return this.#client.request("createConnectToken", { params: this.#params, body, signal });
  }

  /** Commits what the sandbox has written to its volumes: who reloads, or starts later, sees it. */
  async commitVolumes(options: Options = {}): Promise<void> {
    await this.#client.request("commitVolumes", { params: this.#params, ...options });
  }

  /** Commits, and shows the sandbox what others have committed. A file that is open stays what it was for who has it open. */
  async reloadVolumes(options: Options = {}): Promise<void> {
    await this.#client.request("reloadVolumes", { params: this.#params, ...options });
  }

  /** Replaces the sandbox's tags. */
  async setTags(tags: { readonly [name: string]: string }, options: Options = {}): Promise<void> {
    this.#seen(await this.#client.request("setSandboxTags", { params: this.#params, body: { tags }, ...options }));
  }

  /**
   * Gives the sandbox a name in its app, in place of the one it may have.
   * @throws {ConflictError} when another sandbox that runs has the name, or this one has finished
   */
  async setName(name: string, options: Options = {}): Promise<void> {
    this.#seen(await this.#client.request("renameSandbox", { params: this.#params, body: { name }, ...options }));
  }

  /**
   * Replaces what the sandbox may reach. Settles once it holds, for open connections too: those that are not allowed any more are cut.
   * @param policy without a field, everything but the machine itself, other sandboxes and link-local addresses
   * @throws {InvalidError} for a range that is none, and for a combination that cannot be
   * @throws {ConflictError} when the sandbox has finished
   */
  async updateNetworkPolicy(policy: NetworkPolicyOptions, options: Options = {}): Promise<void> {
    const body = networkPolicyBody(policy);
    this.#seen(await this.#client.request("updateNetworkPolicy", { params: this.#params, body, ...options }));
  }

  /** What its own command has written, by lines, with the time at which each came; the newest ones, oldest first. */
  log(options: OutputLogOptions = {}): Promise<OutputLogEntry[]> {
    return this.#main.log(options);
  }

  /** Changes the size of the terminal of the sandbox's own command. */
  resize(rows: number, cols: number, options: Options = {}): Promise<void> {
    return this.#main.resize(rows, cols, options);
  }

  /** Attaches to the terminal of the sandbox's own command. */
  terminal(options: TerminalOptions = {}): Promise<Terminal> {
    return this.#main.terminal(options);
  }

  /** Terminates the sandbox unless it was detached. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isDetached) await this.terminate();
  }

  toJSON(): { id: string } {
    return { id: this.id };
  }

  get #params() {
    return { sandboxId: this.id };
  }

  #seen(info: SandboxInfo): SandboxInfo {
    this.#lastInfo = info;
    return info;
  }
}

function appName(app: App | string): string {
  return app instanceof App ? app.name : app;
}

function noCommand(): InvalidError {
  return new InvalidError("cannot exec without a command", {
    code: "invalid_argument",
    hint: 'Name the program to run: exec("ls", "-l").',
  });
}

function noSuchName(app: string, name: string): NotFoundError {
  return new NotFoundError(`cannot find a sandbox named ${name} in the app ${app} that has not finished`, {
    code: "not_found",
    hint: "List the app's sandboxes with Sandbox.list({ app }).",
  });
}

function finishedBeforeReady(info: SandboxInfo): ConflictError {
  const { kind, exitCode, message } = info.result ?? {};
  return new ConflictError(
    `cannot become ready: sandbox ${info.id} has finished (${message ?? kind}, exit code ${exitCode})`,
    { code: "sandbox_finished", hint: "Read its stderr, or `atoll inspect` it, to see how it ended." },
  );
}
