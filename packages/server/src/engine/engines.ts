/** Opens everything that sandboxes are made with on this machine, and closes it again. */
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Isolation } from "@atoll/protocol";
import { Cgroups } from "../cgroups/cgroups.ts";
import type { Launcher } from "../launcher/client.ts";
import { type DiskStore, type DiskStoreChoice, openDiskStore } from "../layers/disk-store.ts";
import { Disks } from "../layers/disks.ts";
import { Egress } from "../network/egress.ts";
import { openGateway } from "../network/gateway.ts";
import type { HostService } from "../network/host-services.ts";
import { NetworkPolicies } from "../network/policies.ts";
import { NetworkSlots } from "../network/slots.ts";
import type { TrafficSource } from "../network/traffic.ts";
import type { Engine, Leak } from "./engine.ts";
import { crun } from "./oci/crun.ts";
import { OciEngine, type Places } from "./oci/oci-engine.ts";
import { readOnlyHolderRoot, readOnlyProgram } from "./oci/read-only.ts";
import { runsc } from "./oci/runsc.ts";
import { UidRanges } from "./oci/uid-ranges.ts";

export interface EnginesOptions {
  readonly stateDirectory: string;
  /** The static init that every holder runs. */
  readonly initBinary: string;
  readonly launcherBinary: string;
  /** Paths of the runtimes; undefined for one that is not installed. */
  readonly runscBinary: string | undefined;
  readonly crunBinary: string | undefined;
  /** The /16 for sandboxes; a free one when undefined. */
  readonly subnet: string | undefined;
  /** Name servers of sandboxes; those of the machine when there are none. */
  readonly nameServers: readonly string[];
  readonly hostServices: readonly HostService[];
  readonly defaultDiskBytes: number;
  readonly diskStore: DiskStoreChoice;
  /** Network slots kept ready. */
  readonly readySlots: number;
  readonly onError: (error: unknown) => void;
}

export interface Engines {
  /** Strongest first. */
  readonly engines: ReadonlyMap<Isolation, Engine>;
  readonly readySlots: () => number;
  readonly traffic: TrafficSource;
  readonly diskStore: DiskStore;
  /** What belongs to no holder. Only after every record that is still wanted was adopted. */
  sweep(signal: AbortSignal): Promise<Leak[]>;
  /** Gives back what is kept ready. With `everything`, the network and cgroups of the machine too: no sandbox may be left. */
  close(everything: boolean, signal: AbortSignal): Promise<void>;
}

/** @throws AtollError or Error that says what this machine lacks */
export async function openEngines(launcher: Launcher, options: EnginesOptions, signal: AbortSignal): Promise<Engines> {
  const instance = createHash("sha256").update(options.stateDirectory).digest("hex").slice(0, 8);
  const { launcherBinary } = options;
  const places = await makePlaces(launcher, options, signal);
  const diskStore = await openDiskStore(launcher, join(options.stateDirectory, "store"), options.diskStore, signal);
  const cgroups = Cgroups.open(instance);
  const gateway = await openGateway(launcher, instance, options, signal);
  const policies = await NetworkPolicies.load(
    launcher,
    join(options.stateDirectory, "engine", "policies.json"),
    signal,
  );
  const slots = new NetworkSlots(launcher, gateway, policies, { ready: options.readySlots, onError: options.onError });
  await slots.findStrays();
  const egress = new Egress({
    launcher,
    socketPath: join(options.stateDirectory, "run", "egress.sock"),
    logFile: join(options.stateDirectory, "log", "egress.log"),
    settings: { nameServers: gateway.resolver.nameServers, subnet: gateway.subnet.cidr },
    onError: options.onError,
  });
  const machine = {
    launcher,
    cgroups,
    slots,
    policies,
    egress,
    gateway,
    places,
    disks: new Disks({ launcher, launcherBinary, store: diskStore }),
    uids: new UidRanges(),
    defaultDiskBytes: options.defaultDiskBytes,
  };
  const engine = join(options.stateDirectory, "engine");
  const { runscBinary, crunBinary } = options;
  const runtimes = [
    ...(runscBinary === undefined ? [] : [runsc(launcher, runscBinary, engine)]),
    ...(crunBinary === undefined
      ? []
      : [crun(launcher, await readOnlyProgram(launcher, crunBinary, engine, signal), engine)]),
  ];
  const engines = new Map(runtimes.map((runtime) => [runtime.isolation, new OciEngine(runtime, machine)] as const));
  return {
    engines,
    readySlots: () => slots.readyCount,
    traffic: egress,
    diskStore,
    sweep: () => sweep([...engines.values()], machine),
    close: async (everything, ending) => {
      await egress.close();
      await slots.close();
      if (!everything) return;
      await gateway.close(ending);
      cgroups.close();
    },
  };
}

async function makePlaces(launcher: Launcher, options: EnginesOptions, signal: AbortSignal): Promise<Places> {
  const at = (...parts: string[]) => join(options.stateDirectory, ...parts);
  const places = {
    bundles: at("engine", "bundles"),
    empty: at("engine", "empty"),
  };
  // The mapped root of a container has to pass through on its way to the holder's root and to its control directory.
  for (const directory of [at(), at("run"), at("engine"), places.bundles]) {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
  }
  await mkdir(at("store"), { recursive: true, mode: 0o711 });
  await mkdir(places.empty, { recursive: true, mode: 0o555 });
  const holderRoot = await readOnlyHolderRoot(launcher, options.initBinary, at("engine"), signal);
  return { ...places, holderRoot };
}

interface Swept {
  readonly launcher: Launcher;
  readonly cgroups: Cgroups;
  readonly slots: NetworkSlots;
  readonly places: Places;
  readonly disks: Disks;
}

const removalLimitMs = 30_000;

async function sweep(
  engines: readonly OciEngine[],
  { launcher, cgroups, slots, places, disks }: Swept,
): Promise<Leak[]> {
  launcher.forgetInherited();
  const isStray = (key: string) => !engines.some((engine) => engine.isOwn(key));
  const groups = (await cgroups.list()).filter(isStray);
  const forgotten = await Promise.all(engines.map((engine) => leftByRuntime(engine, isStray)));
  const files = [...(await strayBundles(places.bundles, isStray)), ...(await disks.strays(isStray))];
  return [
    ...groups.map(
      (what): Leak => ({
        kind: "cgroup",
        what,
        remove: () => cgroups.destroy(what, AbortSignal.timeout(removalLimitMs)),
      }),
    ),
    ...forgotten.flat(),
    ...(await slots.strays()).map((what): Leak => ({ kind: "network", what, remove: () => slots.release(what) })),
    ...files.map((what): Leak => ({ kind: "file", what, remove: () => rm(what, { recursive: true, force: true }) })),
  ];
}

async function leftByRuntime(engine: OciEngine, isStray: (key: string) => boolean): Promise<Leak[]> {
  const keys = (await engine.listed()).filter(isStray);
  return keys.map((key) => ({
    kind: "file",
    what: `state of ${engine.isolation} ${key}`,
    remove: () => engine.forget(key, AbortSignal.timeout(removalLimitMs)),
  }));
}

/** Bundles are named after their sandbox's key, and control directories of checks. */
async function strayBundles(directory: string, isStray: (key: string) => boolean): Promise<string[]> {
  const names = await readdir(directory);
  return names.filter((name) => isStray(name.replace(/-control$/, ""))).map((name) => join(directory, name));
}
