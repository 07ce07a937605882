/**
 * What the core asks of an isolation level. One conformance suite (`test/engine/`) runs over every implementation.
 *
 * A sandbox is made in two steps, so that the first can be done ahead by a warm pool:
 *
 * - *prepare*: namespaces, network slot, cgroup, runtime, init running. Nothing about the image, the command or the environment.
 * - *claim*: bind the root file system and set the limits. Processes are then started by talking to init.
 *
 * A holder is described by plain data (`HolderRecord`) that the store keeps, so a restarted server adopts it.
 */
import type { Isolation, NetworkPolicy } from "@atoll/protocol";
import type { HeaderRule } from "../network/header-rule.ts";

export interface Engine {
  readonly isolation: Isolation;

  /** Runs a real sandbox to find out whether this level works here. The detail says which runtime, or why not. */
  check(signal: AbortSignal): Promise<EngineCheck>;

  /**
   * Makes a holder whose init connects to `control.sock` in `controlDirectory`. On failure nothing is left behind.
   * The caller listens on the socket before it calls.
   */
  prepare(request: PrepareRequest, signal: AbortSignal): Promise<Holder>;

  /** Binds the root and sets the limits, once init has connected. On failure the holder is of no further use and must be destroyed. */
  claim(holder: Holder, claim: Claim, signal: AbortSignal): Promise<ClaimedRoot>;

  /** Has the holder reach what the network says from now on, on open connections too. It is open when it is prepared. */
  setNetwork(record: HolderRecord, network: HolderNetwork): Promise<void>;

  /**
   * Gives nothing that a record of an earlier server names to anyone else, until it is destroyed. Comes before anything is made, for every
   * record that is to be adopted or destroyed.
   */
  reserve(record: HolderRecord): void;

  /** Finds the holder of a record again after a restart of the server; undefined when it no longer runs. */
  adopt(record: HolderRecord, signal: AbortSignal): Promise<Holder | undefined>;

  /** Ends every process in it and removes all it consists of. Idempotent; also cleans up after a holder that died by itself. */
  destroy(record: HolderRecord, signal: AbortSignal): Promise<void>;

  /**
   * Copies what a claimed sandbox has written, as it is at one instant, into an empty directory: as a layer of overlayfs.
   * Everything in the sandbox stands still meanwhile.
   * @param mounted of what was mounted with its writable layer on the disk, instead of the root
   * @returns for how long it stood still
   */
  copyWritten(
    record: HolderRecord,
    directory: string,
    signal: AbortSignal,
    mounted?: Mounted,
  ): Promise<{ readonly pausedMs: number }>;

  /**
   * Makes a directory appear in a claimed sandbox, at a path that is made when missing. When `bindFrom` is set, init has to bind that to the
   * path, which completes it.
   * @throws AtollError invalid_argument for a path or sub-path that cannot be
   */
  mount(record: HolderRecord, mount: Mount, signal: AbortSignal): Promise<Mounted>;

  /**
   * Undoes it, after init has when `bindFrom` is set; what was written to the sandbox's disk for it is removed.
   * @throws AtollError conflict when something uses it
   */
  unmount(record: HolderRecord, mounted: Mounted, signal: AbortSignal): Promise<void>;

  /** What the kernel counted for the holder. */
  usage(record: HolderRecord): Promise<Usage>;
}

export interface HolderNetwork {
  readonly policy: NetworkPolicy;
  /** Secrets in requests to names that the policy allows. */
  readonly rules: readonly HeaderRule[];
  /** Of a private network: its members reach each other by address and name, whatever their policies. */
  readonly membership: Membership | undefined;
}

export type EngineCheck = { readonly available: boolean; readonly detail: string };

export interface PrepareRequest {
  /** Unique on this machine, for naming what is made: letters and digits, at most 24. */
  readonly key: string;
  /** Host directory that holds control.sock; appears inside as `/.atoll`. */
  readonly controlDirectory: string;
  /** Whether files that are mounted may be changed by others while the sandbox runs; false when absent. */
  readonly sharesFiles?: boolean;
}

export interface Claim {
  /** Read-only layer directories, lowest first. */
  readonly layers: readonly string[];
  readonly limits: Limits;
  /** What CDI specifications say about the devices given to the sandbox. */
  readonly devices: readonly DeviceNode[];
  readonly mounts: readonly BindMount[];
  /** Name of its private network. */
  readonly network?: string | undefined;
}

/** A sandbox's place in a private network. */
export interface Membership {
  readonly network: string;
  /** Tells the network from all others. */
  readonly number: number;
  /** What other members find it by. */
  readonly name?: string | undefined;
}

export interface Limits {
  /** Cores; fractions allowed. */
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly pids: number;
  /** Undefined: bounded by the store only. */
  readonly diskBytes?: number | undefined;
}

export interface DeviceNode {
  readonly hostPath: string;
  readonly path: string;
  /** As the kernel's device whitelist writes it: "c 195:0 rw". */
  readonly cgroupRule: string;
}

export interface BindMount {
  readonly hostPath: string;
  readonly path: string;
  readonly readOnly: boolean;
  /** Whether owners are the sandbox's own, as on its disk, rather than the machine's. */
  readonly isIdmapped?: boolean;
}

/** Owners are the sandbox's own, as everywhere: root is 0 on disk and inside. It vanishes with the sandbox. */
export interface Mount {
  /** Absolute, without `.` and `..`. Links on the way lead where they lead inside. */
  readonly path: string;
  readonly content: MountedStack | MountedDirectory;
  /** Shows only this directory of it; it must exist. */
  readonly subPath?: string | undefined;
  readonly readOnly?: boolean | undefined;
}

export interface MountedStack {
  /** Layer directories, the lowest first. */
  readonly layers: readonly string[];
  /** Where it is written: to the sandbox's own disk, or to a directory of the host. Nowhere when absent. */
  readonly writable?: "disk" | { readonly directory: string } | undefined;
}

/** A directory as it is, for everyone who has it mounted. */
export interface MountedDirectory {
  readonly hostDirectory: string;
}

/** Plain data for the store to keep: what `unmount` needs, also after a restart of the server. */
export interface Mounted {
  readonly path: string;
  /** Unique in its sandbox. */
  readonly name: string;
  /** Of the kernel. */
  readonly number: number;
  /** Has a place on the sandbox's disk. */
  readonly isOnDisk: boolean;
  readonly bindFrom?: string | undefined;
}

/** What the core must do through init once the root is bound: both go into init's SETUP frame. */
export interface ClaimedRoot {
  readonly root: string;
  /** Limit of processes for init to set; absent when the machine's kernel holds it. */
  readonly mostProcesses?: number;
}

export interface Holder {
  readonly record: HolderRecord;
  /** Settles when the sandbox's init, or the runtime below it, is gone for whatever reason. */
  readonly gone: Promise<HolderEnd>;
}

export interface HolderRecord {
  readonly key: string;
  readonly isolation: Isolation;
  /** Where the host reaches its ports; absent without a network. */
  readonly address?: string | undefined;
  /** Engine-private: pids with their start times, addresses, directories, cgroup names. */
  readonly details: { readonly [name: string]: string | number };
}

export interface HolderEnd {
  readonly at: Date;
  /** waitpid(2) status if it is known. */
  readonly status?: number | undefined;
  readonly outOfMemory: boolean;
}

export interface Usage {
  readonly memoryBytes: number;
  readonly cpuMs: number;
  readonly pids: number;
  /** Processes the kernel killed for want of memory, since the start. */
  readonly oomKills: number;
  /** Bytes of the writable layer, and its limit, when a limit is set. */
  readonly diskBytes?: number | undefined;
}

/** Something found on the machine that belongs to no known holder. */
export interface Leak {
  readonly kind: "process" | "mount" | "network" | "cgroup" | "file";
  readonly what: string;
  remove(): Promise<void>;
}
