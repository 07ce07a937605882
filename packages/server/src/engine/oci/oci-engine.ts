/** Sandboxes through an OCI runtime: the engine's promise kept with a runtime, a cgroup, a network slot and a disk for each. */
import { statSync } from "node:fs";
import { chmod, chown, mkdir, rm, rmdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import type { Isolation } from "@atoll/protocol";
import type { Cgroups } from "../../cgroups/cgroups.ts";
import { messageOf } from "../../error.ts";
import { randomText } from "../../id.ts";
import { type Launcher, LauncherError, type WatchedProcess } from "../../launcher/client.ts";
import type { Disks, Freezer } from "../../layers/disks.ts";
import { loopDevice } from "../../layers/loop-devices.ts";
import { removeMountPoints } from "../../layers/upper.ts";
import type { Egress } from "../../network/egress.ts";
import type { Gateway } from "../../network/gateway.ts";
import { hostsLines, type OfferedService } from "../../network/host-services.ts";
import { asMember, domainOf } from "../../network/membership.ts";
import { clientPolicy, outbound } from "../../network/outbound.ts";
import type { NetworkPolicies } from "../../network/policies.ts";
import { resolvConf } from "../../network/resolver.ts";
import type { NetworkSlots, Slot } from "../../network/slots.ts";
import { gatewayAddress } from "../../network/subnet.ts";
import type {
  Claim,
  ClaimedRoot,
  Engine,
  EngineCheck,
  Holder,
  HolderEnd,
  HolderNetwork,
  HolderRecord,
  Mount,
  Mounted,
  PrepareRequest,
  Usage,
} from "../engine.ts";
import { bindsOf } from "./binds.ts";
import { mountFailure, mountOf, placeOnDisk, unmountFailure } from "./mounting.ts";
import type { Runtime } from "./runtime.ts";
import { laterMounts, ownMounts } from "./spec.ts";
import type { UidRanges } from "./uid-ranges.ts";

export interface Machine {
  readonly launcher: Launcher;
  readonly cgroups: Cgroups;
  readonly slots: NetworkSlots;
  readonly policies: NetworkPolicies;
  readonly egress: Egress;
  readonly gateway: Gateway;
  readonly uids: UidRanges;
  readonly places: Places;
  readonly disks: Disks;
  /** Size of a sandbox's disk when its creator names none. */
  readonly defaultDiskBytes: number;
}

export interface Places {
  readonly bundles: string;
  /** Read-only root of every holder. */
  readonly holderRoot: string;
  /** An empty directory that hides others. */
  readonly empty: string;
}

interface StartedHolder {
  /** When it ends, so has the sandbox. */
  readonly process: WatchedProcess;
  /** Owns the mount namespace that the sandbox's files are looked up in. */
  readonly rootPid: number;
}

const checkLimitMs = 30_000;

export class OciEngine implements Engine {
  readonly isolation: Isolation;
  readonly #runtime: Runtime;
  readonly #machine: Machine;
  /** Of the holders that are being made, run, or are being removed. */
  readonly #keys = new Set<string>();
  readonly #processes = new Map<string, WatchedProcess>();

  constructor(runtime: Runtime, machine: Machine) {
    this.isolation = runtime.isolation;
    this.#runtime = runtime;
    this.#machine = machine;
  }

  /** Whether something by that name may be there because of this server: a check has a directory before and after it has a holder. */
  isOwn(key: string): boolean {
    return this.#keys.has(key) || key === this.#checkKey;
  }

  get #checkKey(): string {
    return `check${this.isolation}${process.pid}`.slice(0, 24);
  }

  async check(signal: AbortSignal): Promise<EngineCheck> {
    const key = this.#checkKey;
    const controlDirectory = join(this.#machine.places.bundles, `${key}-control`);
    try {
      await mkdir(controlDirectory, { recursive: true });
      const limit = AbortSignal.any([signal, AbortSignal.timeout(checkLimitMs)]);
      await this.#tryOut({ key, controlDirectory }, limit);
      return { available: true, detail: "a sandbox was started" };
    } catch (error) {
      return { available: false, detail: messageOf(error) };
    } finally {
      await rm(controlDirectory, { recursive: true, force: true });
    }
  }

  /** Makes a holder, waits until its init reports, and removes it. */
  async #tryOut(request: PrepareRequest, signal: AbortSignal): Promise<void> {
    const reported = Promise.withResolvers<void>();
    reported.promise.catch(() => undefined); // it may be rejected while the holder is still being prepared
    const server = createServer((socket) => {
      socket.destroy();
      reported.resolve();
    }).listen({ path: join(request.controlDirectory, "control.sock"), readableAll: true, writableAll: true });
    const abort = () => reported.reject(new Error("cannot reach init: the time limit has passed"));
    signal.addEventListener("abort", abort, { once: true });
    try {
      const holder = await this.prepare(request, signal);
      try {
        await Promise.race([
          reported.promise,
          holder.gone.then(() => Promise.reject(new Error("cannot keep init running"))),
        ]);
      } finally {
        await this.destroy(holder.record, AbortSignal.timeout(checkLimitMs));
      }
    } finally {
      signal.removeEventListener("abort", abort);
      server.close();
    }
  }

  async prepare(request: PrepareRequest, signal: AbortSignal): Promise<Holder> {
    const { key } = request;
    this.#keys.add(key);
    await using unwind = new AsyncDisposableStack();
    unwind.defer(() => void this.#keys.delete(key));
    const slot = await this.#machine.slots.take(signal);
    unwind.defer(() => this.#machine.slots.release(slot.name));
    const uids = this.#runtime.hasUserNamespace ? this.#machine.uids.take() : { base: 0, size: 0 };
    unwind.defer(() => this.#machine.uids.release(uids.base));
    await chown(request.controlDirectory, uids.base, uids.base);
    // Whoever reaches the socket can pose as init, and is told the environment of what is started: only root inside may.
    await chmod(request.controlDirectory, 0o700);
    // The first to go, so that no process is left when its addresses and user ids are given to another.
    unwind.defer(() => this.#remove(key, AbortSignal.timeout(checkLimitMs)));
    const [started] = await allDone(signal, [
      (limit) => this.#run(request, slot, uids, limit),
      (limit) => this.#machine.disks.make(key, this.#machine.defaultDiskBytes, limit),
    ]);
    unwind.move();
    return this.#holder(started.process, this.#record(request, started, slot, uids.base));
  }

  async #run(
    request: PrepareRequest,
    slot: Slot,
    uids: { base: number; size: number },
    signal: AbortSignal,
  ): Promise<StartedHolder> {
    const { key, controlDirectory } = request;
    const bundle = join(this.#machine.places.bundles, key);
    const spec = this.#runtime.spec(
      {
        hostname: key,
        holderRoot: this.#machine.places.holderRoot,
        controlDirectory,
        mountsDirectory: this.#mountPoints(key),
        networkNamespace: slot.namespace,
      },
      uids,
    );
    await mkdir(bundle, { mode: 0o700 });
    await mkdir(this.#mountPoints(key));
    await mkdir(join(controlDirectory, basename(laterMounts)), { recursive: true });
    await writeFile(join(bundle, "config.json"), JSON.stringify(spec));
    await this.#writeResolvConf(bundle, undefined);
    await writeFile(join(bundle, "hosts"), hosts(key, slot.address, this.#machine.gateway.services), { mode: 0o644 });
    signal.throwIfAborted();
    const process = await this.#runtime.start(
      { key, bundle, sharesFiles: request.sharesFiles ?? false, cgroups: this.#machine.cgroups.create(key) },
      signal,
    );
    this.#processes.set(key, process);
    return { process, rootPid: await this.#runtime.rootPid(key, process.pid) };
  }

  /** A member asks the gateway, which knows the members; the network's own domain comes before what the machine searches. */
  #writeResolvConf(bundle: string, network: string | undefined): Promise<void> {
    const { nameServers, search } = this.#machine.gateway.resolver;
    const resolver =
      network === undefined
        ? { nameServers, search }
        : { nameServers: [gatewayAddress], search: [domainOf(network), ...search] };
    return writeFile(join(bundle, "resolv.conf"), resolvConf(resolver), { mode: 0o644 });
  }

  #record(request: PrepareRequest, started: StartedHolder, slot: Slot, uidBase: number): HolderRecord {
    const { pid, startTime } = started.process;
    return {
      key: request.key,
      isolation: this.isolation,
      address: slot.address,
      details: {
        pid,
        startTime: String(startTime),
        rootPid: started.rootPid,
        uidBase,
        slot: slot.name,
        address: slot.address,
      },
    };
  }

  async claim(holder: Holder, claim: Claim, signal: AbortSignal): Promise<ClaimedRoot> {
    const { record } = holder;
    const { disks, defaultDiskBytes } = this.#machine;
    const { diskBytes } = claim.limits;
    if (diskBytes !== undefined && diskBytes !== defaultDiskBytes) {
      await disks.remove(record.key);
      await disks.make(record.key, diskBytes, signal);
    }
    const writable = disks.path(record.key);
    this.#limit(record.key, claim);
    const attachment = this.#attachment(record);
    const bundle = join(this.#machine.places.bundles, record.key);
    if (claim.network !== undefined) await this.#writeResolvConf(bundle, claim.network);
    const rootId = Number(record.details.uidBase);
    const binds = bindsOf(claim, {
      bundle,
      empty: this.#machine.places.empty,
      hasSysfs: attachment.hasSysfs,
      isDirectory,
    });
    await this.#machine.launcher.claim({ ...attachment, rootId, layers: claim.layers, writable, binds }, signal);
    return {
      root: attachment.enter,
      ...(this.#runtime.limitsPidsInside && { mostProcesses: claim.limits.pids }),
    };
  }

  #limit(key: string, claim: Claim): void {
    const { pids, memoryBytes } = claim.limits;
    const { ownMemoryBytes } = this.#runtime;
    this.#machine.cgroups.limit(key, {
      ...claim.limits,
      pids: this.#runtime.pidsFor(pids),
      memoryBytes: memoryBytes + ownMemoryBytes,
    });
    for (const { cgroupRule } of claim.devices) this.#machine.cgroups.allowDevice(key, cgroupRule);
  }

  async setNetwork({ details }: HolderRecord, { policy, rules, membership }: HolderNetwork): Promise<void> {
    const { egress, gateway, policies } = this.#machine;
    const [wanted, client] = [{ ...outbound(policy), network: membership?.number }, clientPolicy(policy, rules)];
    const known = membership ? asMember(client, membership, wanted, gateway.resolver.nameServers) : client;
    // First, so that no packet is led to it that it would know nothing of.
    await egress.set(String(details.address), known);
    await policies.set(String(details.slot), wanted);
  }

  reserve(record: HolderRecord): void {
    this.#keys.add(record.key);
    if (this.#runtime.hasUserNamespace) this.#machine.uids.adopt(Number(record.details.uidBase));
    this.#machine.slots.adopt(String(record.details.slot));
  }

  async adopt(record: HolderRecord, signal: AbortSignal): Promise<Holder | undefined> {
    signal.throwIfAborted();
    // An earlier daemon may have been killed while it copied.
    await this.#machine.disks.removeClones(record.key);
    await this.#machine.cgroups.thaw(record.key);
    const found = await this.#find(record);
    return found && this.#holder(found, record);
  }

  /** The holder's process, unless its number belongs to another process by now. */
  async #find(record: HolderRecord): Promise<WatchedProcess | undefined> {
    const { pid, startTime } = record.details;
    const found = await this.#machine.launcher.watch(Number(pid)).catch((error: unknown) => {
      if (error instanceof LauncherError && error.errno === "ESRCH") return undefined;
      throw error;
    });
    return found && String(found.startTime) === startTime ? found : undefined;
  }

  #holder(process: WatchedProcess, record: HolderRecord): Holder {
    this.#processes.set(record.key, process);
    // Without the launcher nobody says how it ended; the daemon itself gives up then.
    const status = process.gone.then(
      (end) => end.status,
      () => undefined,
    );
    return { record, gone: status.then((known) => this.#end(record, known)) };
  }

  async #end(record: HolderRecord, status: number | undefined): Promise<HolderEnd> {
    const at = new Date();
    const { oomKills } = await this.#machine.cgroups.usage(record.key);
    return { at, status, outOfMemory: oomKills > 0 };
  }

  async destroy(record: HolderRecord, signal: AbortSignal): Promise<void> {
    this.#keys.add(record.key);
    await this.#remove(record.key, signal);
    await this.#machine.egress.set(String(record.details.address), undefined);
    await this.#machine.slots.release(String(record.details.slot));
    if (this.#runtime.hasUserNamespace) this.#machine.uids.release(Number(record.details.uidBase));
    this.#keys.delete(record.key);
  }

  /** Everything that is named after the key. The cgroup goes first: with it all processes, and with them the mounts. */
  async #remove(key: string, signal: AbortSignal): Promise<void> {
    await this.#machine.cgroups.destroy(key, signal);
    this.#processes.get(key)?.forget();
    this.#processes.delete(key);
    await this.#runtime.remove(key, signal);
    await this.#machine.disks.remove(key);
    await rm(join(this.#machine.places.bundles, key), { recursive: true, force: true });
  }

  /** Keys that the runtime still knows. */
  listed(): Promise<readonly string[]> {
    return this.#runtime.list();
  }

  /** Has the runtime forget a key that no holder has. */
  forget(key: string, signal: AbortSignal): Promise<void> {
    return this.#runtime.remove(key, signal);
  }

  async copyWritten(
    { key }: HolderRecord,
    directory: string,
    signal: AbortSignal,
    mounted?: Mounted,
  ): Promise<{ readonly pausedMs: number }> {
    const place = mounted === undefined ? "upper" : `${placeOnDisk(mounted.name)}/upper`;
    const { pausedMs } = await this.#machine.disks.copy(key, place, directory, this.#freezer(key), signal);
    if (mounted === undefined) await removeMountPoints(directory, ownMounts);
    return { pausedMs };
  }

  async mount(record: HolderRecord, mount: Mount, signal: AbortSignal): Promise<Mounted> {
    const name = randomText(12);
    const isOnDisk = "layers" in mount.content && mount.content.writable === "disk";
    const { mountNamespacePid, userNamespacePid, mounts } = this.#attachment(record);
    const point = join(this.#mountPoints(record.key), name);
    await using unwind = new AsyncDisposableStack();
    if (mounts.bindFrom !== undefined) {
      await mkdir(point);
      unwind.defer(() => rmdir(point));
    }
    const wanted = mountOf(mount, {
      name,
      disk: isOnDisk ? await loopDevice(this.#machine.disks.path(record.key)) : "",
      empty: this.#machine.places.empty,
      path: mounts.bindFrom === undefined ? mount.path : `/${name}`,
    });
    const rootId = Number(record.details.uidBase);
    const number = await this.#machine.launcher
      .mount({ ...wanted, mountNamespacePid, userNamespacePid, rootId, root: mounts.root }, signal)
      .catch((error: unknown) => Promise.reject(mountFailure(mount, error)));
    unwind.move();
    return {
      path: mount.path,
      name,
      number,
      isOnDisk,
      ...(mounts.bindFrom && { bindFrom: `${mounts.bindFrom}/${name}` }),
    };
  }

  async unmount({ key, details }: HolderRecord, mounted: Mounted, signal: AbortSignal): Promise<void> {
    const { launcher, disks } = this.#machine;
    const { path, name, number, bindFrom } = mounted;
    const { mountNamespacePid, mounts } = this.#attachment({ details });
    // gVisor remembers files of it, which keeps it in use outside for a while after it is unmounted inside.
    const isLazy = bindFrom !== undefined;
    const request = { mountNamespacePid, root: mounts.root, path: isLazy ? `/${name}` : path, number, isLazy };
    await launcher.unmount(request, signal).catch((error: unknown) => Promise.reject(unmountFailure(path, error)));
    if (isLazy) await rmdir(join(this.#mountPoints(key), name));
    if (mounted.isOnDisk) await disks.removeDirectory(key, placeOnDisk(name), signal);
  }

  #attachment({ details }: Pick<HolderRecord, "details">) {
    return this.#runtime.attachment({ pid: Number(details.pid), rootPid: Number(details.rootPid) });
  }

  async usage(record: HolderRecord): Promise<Usage> {
    return this.#machine.cgroups.usage(record.key);
  }

  #freezer(key: string): Freezer {
    const { cgroups } = this.#machine;
    return {
      directory: cgroups.freezerDirectory(key),
      freeze: (signal) => cgroups.freeze(key, signal),
      thaw: () => cgroups.thaw(key),
    };
  }

  /** What is mounted later is attached here first, where a runtime wants that. */
  #mountPoints(key: string): string {
    return join(this.#machine.places.bundles, key, "mounts");
  }
}

/**
 * Does two things at once. When one fails the other is told to stop, and is awaited: what it still made would otherwise
 * be made after everything was removed.
 */
async function allDone<A, B>(
  signal: AbortSignal,
  [first, second]: [(limit: AbortSignal) => Promise<A>, (limit: AbortSignal) => Promise<B>],
): Promise<[A, B]> {
  const failed = new AbortController();
  const limit = AbortSignal.any([signal, failed.signal]);
  const both = [first(limit), second(limit)] as const;
  for (const one of both) one.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(both);
  return Promise.all(both);
}

function isDirectory(path: string): boolean {
  return statSync(path).isDirectory();
}

function hosts(hostname: string, address: string, services: readonly OfferedService[]): string {
  return [
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost",
    `${address} ${hostname}`,
    ...hostsLines(services),
    "",
  ].join("\n");
}
