/** Messages between the daemon and the launcher, as native/PROTOCOL.md defines them: values to frames and back. */
import { type Frame, FrameWriter, PayloadReader, ProtocolError } from "../init/frames.ts";

export const protocolVersion = 3;
/** Bytes of type and payload, each way. */
export const frameLimit = 1024 ** 2;

const requestTypes = {
  attach: 0x40,
  spawn: 0x41,
  watch: 0x42,
  forget: 0x43,
  kill: 0x44,
  claim: 0x45,
  mount: 0x46,
  unmount: 0x47,
} as const;
const answerTypes = {
  greeting: 0xc1,
  spawned: 0xc2,
  finished: 0xc3,
  watched: 0xc4,
  gone: 0xc5,
  done: 0xc6,
  mounted: 0xc7,
} as const;

/** A process by its pid and field 22 of /proc/PID/stat (clock ticks since boot), which together are never used twice. */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: number;
}

export interface Spawn {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Empty: the launcher's own, which is "/". */
  readonly cwd: string;
  /** cgroup.procs files that the program enters before it is executed. */
  readonly cgroups: readonly string[];
  readonly stdin: string;
  /** In the host's network namespace instead of the gateway's. */
  readonly inHostNetwork: boolean;
  /** With /proc/sys/net hidden in a mount namespace of its own (runsc). */
  readonly hideProcSysNet: boolean;
  /** Stdio on an empty file, and watched until its end, instead of captured. */
  readonly isWatched: boolean;
}

/** A host path that appears in a sandbox's root. */
export interface Bind {
  readonly source: string;
  readonly destination: string;
  readonly isReadOnly?: boolean;
  /** A single file; otherwise a directory. */
  readonly isFile?: boolean;
  /** Owners are mapped as those of the layers are. */
  readonly isIdmapped?: boolean;
  readonly isDevice?: boolean;
}

/** A root file system, and the holder that it is put under. */
export interface Claim {
  /** Whose mount namespace the root goes into: the container's init, or the gofer. */
  readonly mountNamespacePid: number;
  /** Whose user namespace maps the layers; 0 for none. */
  readonly userNamespacePid: number;
  /** Host uid and gid of the sandbox's root. */
  readonly rootId: number;
  /** Read-only directories, the lowest first; at most 500. */
  readonly layers: readonly string[];
  /** A file with an ext4 file system that nothing else has mounted. */
  readonly writable: string;
  /** Directory in the holder's mount namespace to attach the root to. */
  readonly target: string;
  /** Top-level directories of the holder that are moved into the new root. */
  readonly moves: readonly string[];
  /** Mount points, as that mount namespace sees them, that are made read-only. */
  readonly closed: readonly string[];
  /** Attach a read-only sysfs of the container's network namespace at /sys. */
  readonly hasSysfs: boolean;
  readonly binds: readonly Bind[];
  /** Make the target the root of the mount namespace and let the old one go. */
  readonly pivot: boolean;
}

/** What is mounted into the root of a sandbox that runs. */
export interface LauncherMount {
  readonly mountNamespacePid: number;
  /** 0 for none. */
  readonly userNamespacePid: number;
  readonly rootId: number;
  /** Read-only directories, the lowest first; none: `source` is bound. */
  readonly layers: readonly string[];
  /** A block device with an ext4 file system, or a directory; empty: read-only. */
  readonly writable: string;
  /** The directory in it that holds `upper` and `work`. */
  readonly place: string;
  readonly source: string;
  /** Shows only this directory of it; empty: all. */
  readonly subPath: string;
  readonly isReadOnly: boolean;
  /** Directory of the mount namespace that the path is looked up in. */
  readonly root: string;
  readonly path: string;
}

export interface LauncherUnmount {
  readonly mountNamespacePid: number;
  readonly root: string;
  readonly path: string;
  readonly number: number;
  /** Whatever still uses it keeps it until it lets go. */
  readonly isLazy: boolean;
}

export type Answer =
  | {
      readonly type: "greeting";
      readonly version: number;
      readonly pid: number;
      readonly watched: readonly ProcessId[];
    }
  | ({ readonly type: "spawned"; readonly request: number; readonly errno: number; readonly step: string } & ProcessId)
  | {
      readonly type: "finished";
      readonly request: number;
      readonly status: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly type: "watched"; readonly request: number; readonly errno: number; readonly startTime: number }
  | ({ readonly type: "gone"; readonly status: number } & ProcessId)
  | { readonly type: "done"; readonly request: number; readonly errno: number; readonly step: string }
  | {
      readonly type: "mounted";
      readonly request: number;
      readonly errno: number;
      readonly step: string;
      readonly number: number;
    };

function frame(type: number, writer: FrameWriter): Buffer {
  return writer.frame(type, frameLimit);
}

function texts(writer: FrameWriter, items: readonly string[]): FrameWriter {
  return writer.list(items, (item) => writer.text(item));
}

export function attachFrame(): Buffer {
  return frame(requestTypes.attach, new FrameWriter().u32(protocolVersion));
}

export function spawnFrame(request: number, spawn: Spawn): Buffer {
  const flags = Number(spawn.inHostNetwork) | (Number(spawn.hideProcSysNet) << 1) | (Number(spawn.isWatched) << 2);
  const writer = texts(new FrameWriter().u32(request).u8(flags), spawn.cgroups).text(spawn.cwd);
  const env = Object.entries(spawn.env).map(([name, value]) => `${name}=${value}`);
  return frame(requestTypes.spawn, texts(texts(writer, spawn.argv), env).text(spawn.stdin));
}

export function watchFrame(request: number, pid: number): Buffer {
  return frame(requestTypes.watch, new FrameWriter().u32(request).u32(pid));
}

export function forgetFrame({ pid, startTime }: ProcessId): Buffer {
  return frame(requestTypes.forget, new FrameWriter().u32(pid).offset(startTime));
}

export function killFrame(request: number, { pid, startTime }: ProcessId, signal: number): Buffer {
  return frame(requestTypes.kill, new FrameWriter().u32(request).u32(pid).offset(startTime).u8(signal));
}

export function claimFrame(request: number, claim: Claim): Buffer {
  const writer = new FrameWriter().u32(request);
  writer.u32(claim.mountNamespacePid).u32(claim.userNamespacePid).u32(claim.rootId);
  texts(writer, claim.layers).text(claim.writable).text(claim.target);
  texts(writer, claim.moves);
  texts(writer, claim.closed).u8(Number(claim.hasSysfs));
  writer.list(claim.binds, (bind) => writer.text(bind.source).text(bind.destination).u8(bindFlags(bind)));
  return frame(requestTypes.claim, writer.u8(Number(claim.pivot)));
}

export function mountFrame(request: number, mount: LauncherMount): Buffer {
  const writer = new FrameWriter().u32(request);
  writer.u32(mount.mountNamespacePid).u32(mount.userNamespacePid).u32(mount.rootId);
  texts(writer, mount.layers).text(mount.writable).text(mount.place).text(mount.source).text(mount.subPath);
  return frame(requestTypes.mount, writer.u8(Number(mount.isReadOnly)).text(mount.root).text(mount.path));
}

export function unmountFrame(request: number, unmount: LauncherUnmount): Buffer {
  const writer = new FrameWriter().u32(request).u32(unmount.mountNamespacePid).text(unmount.root).text(unmount.path);
  return frame(requestTypes.unmount, writer.offset(unmount.number).u8(Number(unmount.isLazy)));
}

function bindFlags({ isReadOnly, isFile, isIdmapped, isDevice }: Bind): number {
  return [isReadOnly, isFile, isIdmapped, isDevice].reduce((flags, is, bit) => flags | (Number(is ?? false) << bit), 0);
}

/** @throws ProtocolError when it is not exactly one answer */
export function decodeAnswer({ type, payload }: Frame): Answer {
  const reader = new PayloadReader(payload);
  const answer = readAnswer(type, reader);
  reader.end();
  return answer;
}

function readAnswer(type: number, reader: PayloadReader): Answer {
  switch (type) {
    case answerTypes.greeting:
      return {
        type: "greeting",
        version: reader.u32(),
        pid: reader.u32(),
        watched: reader.list(12, () => readProcess(reader)),
      };
    case answerTypes.spawned:
      return { type: "spawned", request: reader.u32(), ...readProcess(reader), ...readFailure(reader) };
    case answerTypes.finished:
      return {
        type: "finished",
        request: reader.u32(),
        status: reader.i32(),
        stdout: reader.text(),
        stderr: reader.text(),
      };
    case answerTypes.watched:
      return { type: "watched", request: reader.u32(), errno: reader.u32(), startTime: reader.offset() };
    case answerTypes.gone:
      return { type: "gone", ...readProcess(reader), status: reader.i32() };
    case answerTypes.done:
      return { type: "done", request: reader.u32(), ...readFailure(reader) };
    case answerTypes.mounted:
      return { type: "mounted", request: reader.u32(), ...readFailure(reader), number: reader.offset() };
    default:
      throw new ProtocolError(`cannot understand an answer of type ${type}`);
  }
}

function readProcess(reader: PayloadReader): ProcessId {
  return { pid: reader.u32(), startTime: reader.offset() };
}

function readFailure(reader: PayloadReader): { readonly errno: number; readonly step: string } {
  return { errno: reader.u32(), step: reader.text() };
}
