/** Bundles for OCI runtimes, as pure functions of what a holder is: https://github.com/opencontainers/runtime-spec */
import { type Seccomp, seccomp } from "./seccomp.ts";

export interface HolderSpec {
  readonly hostname: string;
  /** Holds `init` and empty mount points; read-only and shared by all holders. */
  readonly holderRoot: string;
  readonly controlDirectory: string;
  /** Host directory with the mount points of what is mounted later; for gVisor. */
  readonly mountsDirectory: string;
  readonly networkNamespace: string;
}

export interface UidRange {
  readonly base: number;
  readonly size: number;
}

/** Enough to install packages and change users, and nothing that reaches the machine. */
const capabilities = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
] as const;

const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Where the control directory appears inside; init knows it as well. */
export const controlMount = "/.atoll";
/** gVisor sees later mounts below a directory that it looks up anew each time, as it does with all that is bound. */
export const laterMounts = `${controlMount}/mounts`;
/** Directory of the holder's root to which the sandbox's own root is attached. */
export const rootMount = "/newroot";
/** Directories of the holder's root; all but the last are carried over into the sandbox's own root. */
export const carriedMounts = ["proc", "dev", controlMount.slice(1)];

/** Where we mount something into a sandbox's root: an image needs none of these, and does not get them from a sandbox. */
export const ownMounts = [
  ...carriedMounts,
  "sys",
  "etc/resolv.conf",
  "etc/hosts",
  "run/atoll/ca-certificates.pem",
  "run/atoll",
];

/**
 * A container of its own user, pid, mount, ipc, uts and cgroup namespace in a prepared network namespace.
 * `filter` is the seccomp filter already compiled for this machine; the runtime compiles the list when absent.
 */
export function containerSpec(holder: HolderSpec, uids: UidRange, architecture: string, filter?: string) {
  const mapping = [{ containerID: 0, hostID: uids.base, size: uids.size }];
  return {
    ociVersion: "1.0.2",
    ...(filter === undefined ? {} : { annotations: { "run.oci.seccomp_bpf_data": filter } }),
    process: {
      ...initProcess(capabilities),
      // The machine, when it runs out of memory, takes sandboxes before services.
      oomScoreAdj: 500,
      noNewPrivileges: true,
    },
    root: { path: holder.holderRoot, readonly: true },
    hostname: holder.hostname,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"],
      },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "noexec", "nodev", "mode=1777"] },
      { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
      controlBind(holder),
    ],
    linux: {
      uidMappings: mapping,
      gidMappings: mapping,
      namespaces: [
        ...["user", "pid", "mount", "ipc", "uts", "cgroup"].map((type) => ({ type })),
        { type: "network", path: holder.networkNamespace },
      ],
      rootfsPropagation: "private",
      seccomp: seccompUnless(filter, architecture),
      maskedPaths,
      readonlyPaths,
    },
  };
}

/**
 * A gVisor sandbox. CAP_SYS_ADMIN is for init alone, which binds the late root inside gVisor's own kernel and then drops it
 * from the bounding set; it is a capability over that kernel, not over the machine's.
 */
export function gvisorSpec(holder: HolderSpec) {
  return {
    ociVersion: "1.0.2",
    process: initProcess([...capabilities, "CAP_SYS_ADMIN"]),
    root: { path: holder.holderRoot, readonly: false },
    hostname: holder.hostname,
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["ro"] },
      { destination: "/dev/shm", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] },
      controlBind(holder),
      {
        destination: laterMounts,
        type: "bind",
        source: holder.mountsDirectory,
        // Of the mount points alone; init makes what it binds from there writable.
        options: ["bind", "ro", "nodev"],
      },
    ],
    linux: {
      namespaces: [
        ...["pid", "mount", "ipc", "uts"].map((type) => ({ type })),
        { type: "network", path: holder.networkNamespace },
      ],
      rootfsPropagation: "rslave",
    },
  };
}

function initProcess(granted: readonly string[]) {
  return {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ["/init"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    cwd: "/",
    capabilities: { bounding: granted, effective: granted, permitted: granted },
  };
}

function controlBind(holder: HolderSpec) {
  return {
    destination: controlMount,
    type: "bind",
    source: holder.controlDirectory,
    // Read-only keeps a full disk from being filled past its limit through here; a socket can be connected to all the same.
    options: ["bind", "ro", "nosuid", "nodev", "noexec"],
  };
}

function seccompUnless(filter: string | undefined, architecture: string): Seccomp | undefined {
  return filter === undefined ? seccomp(architecture) : undefined;
}
