import type { SandboxState } from "@atoll/protocol";
import type {
  AnswerRow,
  AppRow,
  EnvironmentRow,
  ImageRow,
  LayerRow,
  MountRow,
  OpenFileRow,
  ProcessRow,
  SandboxRow,
  SecretRow,
  TokenRow,
  TrafficRow,
  VolumeMountRow,
  VolumeRow,
} from "./rows.ts";

/**
 * What this machine remembers. Calls are synchronous: a commit costs some 20 microseconds and no disk flush, and what runs
 * between two calls cannot be interleaved with another request.
 *
 * Commits survive the death of the daemon at any moment. A loss of power may take the last ones, and with them the
 * sandboxes they describe; `durably` is for what must survive that too.
 */
export interface Store {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly sandboxes: SandboxTable;
  readonly processes: ProcessesTable;
  readonly mounts: MountsTable;
  readonly openFiles: OpenFilesTable;
  readonly traffic: TrafficTable;
  readonly images: ImagesTable;
  readonly layers: LayersTable;
  readonly volumes: VolumesTable;
  readonly volumeMounts: VolumeMountsTable;
  readonly secrets: Secrets;
  readonly tokens: Tokens;
  readonly answers: Answers;
  /** All of what `act` writes, or nothing of it. May be nested. */
  transaction<T>(act: () => T): T;
  /** A transaction that is on the disk when this returns; within another, when that one is. */
  durably<T>(act: () => T): T;
  close(): void;
}

export interface Apps {
  insert(row: AppRow): void;
  named(name: string): AppRow | undefined;
  list(): AppRow[];
}

export interface Environments {
  insert(row: EnvironmentRow): void;
  named(name: string): EnvironmentRow | undefined;
  list(): EnvironmentRow[];
  rename(id: string, name: string): void;
  remove(id: string): void;
}

export interface SandboxTable {
  insert(row: SandboxRow): void;
  /** Writes every field that can change. */
  update(row: SandboxRow): void;
  get(id: string): SandboxRow | undefined;
  /** Those not finished, or finished with something left to remove. */
  unsettled(): SandboxRow[];
  finished(filter: FinishedFilter): SandboxRow[];
  countFinished(): number;
  lastSequence(): number;
  /** Finished and destroyed ones beyond the newest `keep`, or finished before `before`; oldest first. */
  expired(keep: number, before: number): string[];
  /** With its processes. */
  remove(id: string): void;
  ids(): string[];
}

export interface MountsTable {
  insert(row: MountRow): void;
  of(sandboxId: string): MountRow[];
  /** Of all sandboxes. */
  list(): MountRow[];
  remove(sandboxId: string, path: string): void;
  removeOf(sandboxId: string): void;
}

export interface OpenFilesTable {
  /** Inserts it, or replaces the one of its id. */
  put(row: OpenFileRow): void;
  get(id: string): OpenFileRow | undefined;
  count(sandboxId: string): number;
  remove(id: string): void;
}

export interface TrafficTable {
  /** To what is counted already of the same destination, refusal and secret. */
  add(row: TrafficRow): void;
  /** The latest first. */
  of(sandboxId: string): TrafficRow[];
  count(sandboxId: string): number;
}

export interface FinishedFilter {
  readonly app?: string | undefined;
  readonly name?: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly state?: SandboxState | undefined;
  /** Only those with a smaller sequence. */
  readonly before: number;
  readonly limit: number;
}

export interface ProcessesTable {
  insert(row: ProcessRow): void;
  update(row: ProcessRow): void;
  /** Ordered by number. */
  of(sandboxId: string): ProcessRow[];
  get(sandboxId: string, id: string): ProcessRow | undefined;
  remove(sandboxId: string, number: number): void;
}

export interface ImagesTable {
  insert(row: ImageRow): void;
  get(id: string): ImageRow | undefined;
  named(name: string): ImageRow | undefined;
  ofRecipe(recipe: string): ImageRow | undefined;
  /** Newest first. */
  list(): ImageRow[];
  /** Those whose time was over by then. */
  expired(at: number): ImageRow[];
  touch(id: string, at: number): void;
  restack(id: string, layers: readonly string[]): void;
  /** It is not found by its recipe any more. */
  forgetRecipe(id: string): void;
  /** With its names. */
  remove(id: string): void;
  names(id: string): string[];
  /** Takes the name from another image that had it. */
  name(name: string, id: string): void;
  unname(name: string): boolean;
}

export interface LayersTable {
  insert(row: LayerRow): void;
  get(id: string): LayerRow | undefined;
  list(): LayerRow[];
  /** Ids of those that cached steps have. */
  cached(): string[];
  /** Of layers that neither an image, a cached step nor a volume has. */
  unused(): LayerRow[];
  remove(id: string): void;
  /** The layer a build step made before, null when it changed nothing; undefined when it is not cached. */
  ofStep(key: string): string | null | undefined;
  cacheStep(key: string, layer: string | null): void;
  /** Forgets cached steps whose layer no image has. */
  removeUnusedSteps(): void;
}

export interface VolumesTable {
  insert(row: VolumeRow): void;
  /** Writes every field that can change. */
  update(row: VolumeRow): void;
  get(id: string): VolumeRow | undefined;
  named(name: string): VolumeRow | undefined;
  /** By name, those without one last. */
  list(): VolumeRow[];
  remove(id: string): void;
}

export interface VolumeMountsTable {
  insert(row: VolumeMountRow): void;
  update(row: VolumeMountRow): void;
  /** Ordered by number. */
  of(sandboxId: string): VolumeMountRow[];
  /** Ids of sandboxes. */
  users(volumeId: string): string[];
  /** Ids of sandboxes that have any. */
  sandboxes(): string[];
  removeFor(sandboxId: string): void;
}

export interface Secrets {
  /** Inserts it, or replaces the one of its id. */
  put(row: SecretRow): void;
  get(id: string): SecretRow | undefined;
  named(name: string): SecretRow | undefined;
  /** Those that have a name, by name. */
  list(): SecretRow[];
  touch(id: string, at: number): void;
  remove(id: string): boolean;
  /** Removes those without a name that were last used before then. */
  removeUnnamedBefore(at: number): void;
}

export interface Tokens {
  insert(row: TokenRow): void;
  withHash(hash: Uint8Array): TokenRow | undefined;
  list(): TokenRow[];
  touch(id: string, at: number): void;
  remove(id: string): boolean;
}

export interface Answers {
  insert(row: AnswerRow): void;
  get(scope: string): AnswerRow | undefined;
  removeFor(madeId: string): void;
  removeBefore(at: number): void;
}
