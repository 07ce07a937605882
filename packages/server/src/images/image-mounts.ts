/** Images mounted into sandboxes that run. What is written there goes to the sandbox's disk, and away with the mount. */
import type { Mount as MountView } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { LiveSandbox } from "../sandboxes/live-sandbox.ts";
import { mountInto, mountPath, unmountFrom } from "../sandboxes/mounting.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { MountRow } from "../store/rows.ts";
import type { Store } from "../store/store.ts";
import type { Catalogue } from "./catalogue.ts";

export interface ImageMountsParts {
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly layerPath: (id: string) => string;
  readonly sandboxes: Sandboxes;
  readonly stopping: AbortSignal;
}

export interface WantedMount {
  readonly path: string;
  /** Id or name. */
  readonly image: string;
  readonly readOnly?: boolean | undefined;
}

export class ImageMounts {
  readonly #parts: ImageMountsParts;
  /** The last thing that is done with the mounts of each sandbox. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(parts: ImageMountsParts) {
    this.#parts = parts;
  }

  list(sandboxId: string): MountView[] {
    this.#parts.sandboxes.row(sandboxId);
    return this.#parts.store.mounts.of(sandboxId).map(viewOf);
  }

  /**
   * An image that is mounted there already goes.
   * @throws AtollError not_found, sandbox_finished, invalid_argument for the path, conflict when something uses what is mounted there
   */
  mount(sandboxId: string, wanted: WantedMount, signal: AbortSignal): Promise<MountView> {
    const plain = { ...wanted, path: mountPath(wanted.path) };
    return this.#inTurn(sandboxId, signal, (live, limit) => this.#mount(live, plain, limit));
  }

  /** @throws AtollError not_found, sandbox_finished, conflict when something uses it */
  async unmount(sandboxId: string, path: string, signal: AbortSignal): Promise<void> {
    const plain = mountPath(path);
    await this.#inTurn(sandboxId, signal, (live, limit) => this.#unmount(live, plain, limit));
  }

  async #mount(live: LiveSandbox, wanted: WantedMount, signal: AbortSignal): Promise<MountView> {
    const { path, image, readOnly = false } = wanted;
    const { store, catalogue, layerPath } = this.#parts;
    const { id, layers } = await catalogue.stack(image, signal);
    using _held = catalogue.hold(layers);
    if (store.mounts.of(live.id).some((row) => row.path === path)) await this.#unmount(live, path, signal);
    const content = { layers: layers.map(layerPath), ...(!readOnly && { writable: "disk" as const }) };
    const mounted = await mountInto(live, { path, content, readOnly }, signal);
    const row = { sandboxId: live.id, path, imageId: id, layers, mounted };
    store.mounts.insert(row);
    return viewOf(row);
  }

  async #unmount(live: LiveSandbox, path: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const rows = store.mounts.of(live.id);
    const row = rows.find((other) => other.path === path && other.imageId !== undefined);
    if (!row) throw new AtollError("not_found", `cannot unmount ${path}: no image is mounted there`);
    const inner = rows.find((other) => other.path.startsWith(`${path}/`));
    if (inner)
      throw new AtollError("conflict", `cannot unmount ${path}: ${inner.path} is mounted in it`, "Unmount that first.");
    await unmountFrom(live, row.mounted, signal);
    store.mounts.remove(live.id, path);
  }

  /** One thing at a time with the mounts of a sandbox. */
  async #inTurn<T>(
    sandboxId: string,
    signal: AbortSignal,
    act: (live: LiveSandbox, limit: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const live = this.#parts.sandboxes.live(sandboxId);
    if (live?.row.state !== "running")
      throw new AtollError("sandbox_finished", `cannot change what is mounted in ${sandboxId}: it does not run`);
    const limit = AbortSignal.any([signal, live.over.signal, this.#parts.stopping]);
    const turn = (this.#last.get(sandboxId) ?? Promise.resolve()).then(() => {
      limit.throwIfAborted();
      return act(live, limit);
    });
    const settled = turn.catch(() => undefined);
    this.#last.set(sandboxId, settled);
    try {
      return await turn;
    } finally {
      if (this.#last.get(sandboxId) === settled) this.#last.delete(sandboxId);
    }
  }
}

function viewOf({ path, imageId, mounted }: MountRow): MountView {
  return { path, ...(imageId !== undefined && { image: imageId }), readOnly: !mounted.isOnDisk };
}
