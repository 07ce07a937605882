/**
 * Volumes as sandboxes have them. A sandbox works on a copy of what was committed when it started; what it changes there becomes a
 * commit, and a reload brings what others have committed into the copy. A shared volume is mounted as it is.
 */
import { join } from "node:path";
import type { MountedVolume, SandboxCreate, VolumeChange } from "@atoll/protocol";
import type { BindMount, Leak } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import { makeDirectory } from "../layers/file-tree.ts";
import type { LayerStore } from "../layers/layer-store.ts";
import type { SizedDirectories } from "../layers/sized-directory.ts";
import { Spot } from "../layers/spot.ts";
import type { VolumeMountRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import { carryOut, planReload, settle } from "./catch-up.ts";
import { difference, type Manifest, packManifest, readManifest, readSettled, unpackManifest } from "./manifest.ts";
import { mergeInto } from "./merge.ts";
import { volumeError } from "./volume-files.ts";
import type { Volumes } from "./volumes.ts";

/** Directories that the system or Atoll needs where they are. */
const reserved = ["/", "/proc", "/sys", "/dev", "/.atoll"];
const nothing = packManifest(new Map());

export interface MountsParts {
  readonly store: Store;
  readonly layers: LayerStore;
  readonly volumes: Volumes;
  /** Working copies. */
  readonly copies: SizedDirectories;
}

type Wanted = NonNullable<SandboxCreate["volumes"]>;

export class VolumeMounts {
  readonly #parts: MountsParts;

  constructor(parts: MountsParts) {
    this.#parts = parts;
  }

  /** What a request asks for, checked. @throws AtollError not_found, invalid_argument */
  resolve(wanted: Wanted): MountedVolume[] {
    const mounts = wanted.map(({ volume, path, readOnly = false, subPath }) => {
      const { id, name } = this.#parts.volumes.row(volume);
      const clean = cleanPath(path);
      const below = subPath === undefined ? undefined : cleanPath(`/${subPath}`).slice(1);
      return {
        volumeId: id,
        ...(name !== undefined && { name }),
        path: clean,
        readOnly,
        ...(below && { subPath: below }),
      };
    });
    checkMounts(mounts);
    return mounts;
  }

  /** Stores what a sandbox has mounted: from then on the volumes are in use. Belongs to the transaction that stores the sandbox. */
  insert(sandboxId: string, mounts: readonly MountedVolume[]): void {
    const { volumes } = this.#parts.store;
    for (const [number, { volumeId, path, readOnly, subPath }] of mounts.entries()) {
      if (!volumes.get(volumeId)) continue; // deleted since it was asked for: `prepare` says so
      const row = { sandboxId, number, volumeId, path, readOnly, subPath, version: 0, committed: nothing };
      this.#parts.store.volumeMounts.insert(row);
    }
  }

  /** Makes what is mounted, once it is stored. */
  async prepare(sandboxId: string, wanted: readonly MountedVolume[], signal: AbortSignal): Promise<BindMount[]> {
    const binds: BindMount[] = [];
    const rows = this.#parts.store.volumeMounts.of(sandboxId);
    if (rows.length < wanted.length)
      throw new AtollError("not_found", "cannot mount a volume: it was deleted meanwhile");
    for (const row of rows) {
      const { path, readOnly } = row;
      binds.push({ hostPath: await this.#source(row, signal), path, readOnly, isIdmapped: true });
    }
    return binds;
  }

  async #source(row: VolumeMountRow, signal: AbortSignal): Promise<string> {
    const { volumes } = this.#parts;
    const { subPath = "" } = row;
    const volume = volumes.row(row.volumeId);
    if (subPath !== "") await this.#makeSubPath(row.volumeId, subPath, signal);
    const shared = await volumes.sharedDirectory(volume, signal);
    if (shared === undefined) return await this.#makeCopy(row, signal);
    return subPath === "" ? shared : join(shared, await realPath(shared, subPath));
  }

  async #makeCopy(row: VolumeMountRow, signal: AbortSignal): Promise<string> {
    const { volumes, layers, store, copies } = this.#parts;
    const volume = volumes.row(row.volumeId);
    const { version } = volume;
    const limitBytes = volumes.limitOf(volume);
    if (limitBytes === undefined) throw new Error("only a shared volume of an earlier version has no limit");
    await using view = await volumes.view(row.volumeId, signal);
    const from = join(view.root, await realPath(view.root, row.subPath ?? ""));
    const copy = await copies.make(nameOf(row), limitBytes, signal);
    const argv = ["cp", "--archive", "--no-target-directory", from, copy];
    await layers.run(argv, `copy the volume ${volume.name ?? volume.id}`, signal);
    const committed = packManifest(await readManifest(copy));
    store.volumeMounts.update({ ...row, version, committed });
    return copy;
  }

  async #makeSubPath(volumeId: string, subPath: string, signal: AbortSignal): Promise<void> {
    {
      await using view = await this.#parts.volumes.view(volumeId, signal);
      await using found = await Spot.find(view.root, subPath, { follow: true }).catch(() => undefined);
      if (found?.stats?.isDirectory()) return;
    }
    try {
      await this.#parts.volumes.change(volumeId, (root) => makeDirectory(root, subPath, 0o755, true), signal);
    } catch (error) {
      throw volumeError(error, `mount the directory ${subPath} of the volume`);
    }
  }

  /** Commits what a sandbox has written. */
  async commit(sandboxId: string, signal: AbortSignal): Promise<VolumeChange> {
    return this.#each(sandboxId, (row) => this.#commitOne(row, signal));
  }

  /** Commits, and brings what others have committed. Files that are open stay what they were for who has them open. */
  async reload(sandboxId: string, signal: AbortSignal): Promise<VolumeChange> {
    return this.#each(sandboxId, async (row) => {
      const changed = await this.#commitOne(row, signal);
      await this.#catchUp(row, signal);
      return changed;
    });
  }

  /** The sandbox has ended: what it has written is committed, and the volumes are not in use any more. */
  async ended(sandboxId: string, signal: AbortSignal): Promise<void> {
    if (this.#parts.store.volumeMounts.of(sandboxId).length === 0) return;
    const failures: unknown[] = [];
    await this.#each(sandboxId, async (row) => {
      // One that cannot be committed does not keep the others from it.
      return await this.#commitOne(row, signal).catch((error: unknown) => failures.push(error) < 0);
    });
    signal.throwIfAborted();
    this.#parts.store.durably(() => this.#parts.store.volumeMounts.removeFor(sandboxId));
    if (failures.length > 0) throw failures[0];
  }

  /** Removes working copies of a sandbox that is gone. */
  async remove(sandboxId: string): Promise<void> {
    this.#parts.store.volumeMounts.removeFor(sandboxId);
    for (const name of await this.#copies((id) => id === sandboxId)) await this.#parts.copies.remove(name);
  }

  /** Working copies of sandboxes that are gone. */
  async sweep(): Promise<Leak[]> {
    const { sandboxes } = this.#parts.store;
    const strays = await this.#copies((id) => sandboxes.get(id)?.isDestroyed ?? true);
    const { copies } = this.#parts;
    return strays.map((name) => ({ kind: "file", what: copies.path(name), remove: () => copies.remove(name) }));
  }

  async #each(sandboxId: string, act: (row: VolumeMountRow) => Promise<boolean>): Promise<VolumeChange> {
    const { store, volumes } = this.#parts;
    const done: VolumeChange["volumes"] = [];
    for (const row of store.volumeMounts.of(sandboxId)) {
      const isShared = volumes.row(row.volumeId).isShared;
      const changed = isShared ? false : await volumes.alone(row.volumeId, () => act(this.#fresh(row)));
      const { version } = volumes.row(row.volumeId);
      done.push({ volumeId: row.volumeId, path: row.path, version, changed });
    }
    return { volumes: done };
  }

  async #commitOne(row: VolumeMountRow, signal: AbortSignal): Promise<boolean> {
    if (row.readOnly) return false;
    const { volumes, store } = this.#parts;
    const copy = await this.#parts.copies.open(nameOf(row), signal);
    const before = await committedOf(row, copy);
    const after = await readSettled(copy);
    const changes = difference(before, after);
    if (changes.put.length === 0 && changes.removed.length === 0) return false;
    const apply = async (root: string) => {
      const prefix = row.subPath === undefined ? "" : await realPath(root, row.subPath).catch(() => row.subPath ?? "");
      await mergeInto(copy, root, prefix, changes);
    };
    const stored = () => {
      row.committed = packManifest(after);
      row.reload = undefined;
      store.volumeMounts.update(row);
    };
    try {
      await volumes.commit(row.volumeId, apply, stored, signal);
    } catch (error) {
      throw volumeError(error, `commit the volume at ${row.path}`);
    }
    return true;
  }

  async #catchUp(row: VolumeMountRow, signal: AbortSignal): Promise<void> {
    const { volumes, store } = this.#parts;
    const { version } = volumes.row(row.volumeId);
    if (version === row.version) return;
    await using view = await volumes.view(row.volumeId, signal);
    const copy = await this.#parts.copies.open(nameOf(row), signal);
    const from = join(view.root, await realPath(view.root, row.subPath ?? ""));
    const committed = await committedOf(row, copy);
    const plan = await planReload(from, copy, committed);
    store.volumeMounts.update({ ...row, committed: packManifest(committed), reload: packManifest(plan) });
    await carryOut(plan, from, copy);
    const seen = packManifest(await settle(plan, copy, committed, true));
    store.volumeMounts.update({ ...row, version, committed: seen, reload: undefined });
  }

  /** As it is stored now: another change of it may have come first. */
  #fresh({ sandboxId, number }: VolumeMountRow): VolumeMountRow {
    const row = this.#parts.store.volumeMounts.of(sandboxId).find((other) => other.number === number);
    if (row) return row;
    throw new AtollError("sandbox_finished", `cannot commit the volumes of ${sandboxId}: the sandbox has ended`);
  }

  async #copies(isWanted: (sandboxId: string) => boolean): Promise<string[]> {
    return (await this.#parts.copies.names()).filter((name) => isWanted(name.split(".")[0] ?? ""));
  }
}

function nameOf({ sandboxId, number }: VolumeMountRow): string {
  return `${sandboxId}.${number}`;
}

/** What of the copy is in the volume, a reload that was cut short included. */
async function committedOf({ committed, reload }: VolumeMountRow, copy: string): Promise<Manifest> {
  const known = unpackManifest(committed);
  return reload === undefined ? known : await settle(unpackManifest(reload), copy, known, false);
}

/** Without a link in it; a volume's links lead nowhere else. */
async function realPath(root: string, path: string): Promise<string> {
  await using spot = await Spot.find(root, path, { follow: true });
  if (spot.stats?.isDirectory()) return spot.path;
  throw new AtollError("not_a_directory", `cannot mount ${path} of the volume: it is not a directory`);
}

/** Pure. @throws AtollError invalid_argument */
function cleanPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.includes("\0"))
    throw new AtollError(
      "invalid_argument",
      `cannot mount a volume at ${JSON.stringify(path)}`,
      "Write it without `..`.",
    );
  return `/${parts.join("/")}`;
}

/** Pure. */
function checkMounts(mounts: readonly MountedVolume[]): void {
  for (const [at, { path, volumeId }] of mounts.entries()) {
    const isReserved = reserved.some((place) => path === place || (place !== "/" && path.startsWith(`${place}/`)));
    if (isReserved)
      throw new AtollError("invalid_argument", `cannot mount a volume at ${path}`, "Choose another path.");
    const others = mounts.slice(at + 1);
    if (others.some((other) => isWithin(other.path, path) || isWithin(path, other.path)))
      throw new AtollError("invalid_argument", `cannot mount two volumes at ${path}, or one within the other`);
    if (others.some((other) => other.volumeId === volumeId))
      throw new AtollError("invalid_argument", `cannot mount the volume ${volumeId} twice in one sandbox`);
  }
}

function isWithin(path: string, directory: string): boolean {
  return `${path}/`.startsWith(`${directory}/`);
}
