/** Every verb, said once: dispatch, help, completion and docs/cli.md come from this table. Modules are loaded when needed. */
import type { Verb } from "./verb.ts";

export interface VerbEntry {
  /** One word, or two for verbs on one kind of thing: `token create`. */
  readonly name: string;
  readonly summary: string;
  readonly group: "Sandboxes" | "Images" | "Volumes" | "Server" | "Access" | "Atoll";
  load(): Promise<Verb>;
}

export const verbs: readonly VerbEntry[] = [
  {
    name: "run",
    summary: "Run a command in a new sandbox, and exit as it exits",
    group: "Sandboxes",
    load: async () => (await import("./verbs/run.ts")).run,
  },
  {
    name: "create",
    summary: "Create a sandbox and print its id",
    group: "Sandboxes",
    load: async () => (await import("./verbs/create.ts")).create,
  },
  {
    name: "exec",
    summary: "Run a command in a sandbox, and exit as it exits",
    group: "Sandboxes",
    load: async () => (await import("./verbs/exec.ts")).exec,
  },
  {
    name: "shell",
    summary: "Open a terminal in a sandbox, or in a new one",
    group: "Sandboxes",
    load: async () => (await import("./verbs/shell.ts")).shell,
  },
  {
    name: "cp",
    summary: "Copy files and directories into or out of a sandbox",
    group: "Sandboxes",
    load: async () => (await import("./verbs/cp.ts")).cp,
  },
  {
    name: "ls",
    summary: "List sandboxes",
    group: "Sandboxes",
    load: async () => (await import("./verbs/ls.ts")).ls,
  },
  {
    name: "inspect",
    summary: "Show all about a sandbox, with its timeline",
    group: "Sandboxes",
    load: async () => (await import("./verbs/inspect.ts")).inspect,
  },
  {
    name: "logs",
    summary: "Print the output of a sandbox",
    group: "Sandboxes",
    load: async () => (await import("./verbs/logs.ts")).logs,
  },
  {
    name: "wait",
    summary: "Wait until a sandbox has finished, and exit as it exited",
    group: "Sandboxes",
    load: async () => (await import("./verbs/wait.ts")).wait,
  },
  {
    name: "poll",
    summary: "Say whether a sandbox has finished, without waiting",
    group: "Sandboxes",
    load: async () => (await import("./verbs/poll.ts")).poll,
  },
  {
    name: "terminate",
    summary: "End sandboxes",
    group: "Sandboxes",
    load: async () => (await import("./verbs/terminate.ts")).terminate,
  },
  {
    name: "network",
    summary: "Show or change what a sandbox may reach",
    group: "Sandboxes",
    load: async () => (await import("./verbs/network.ts")).network,
  },
  {
    name: "network ls",
    summary: "List private networks and their members",
    group: "Sandboxes",
    load: async () => (await import("./verbs/network-ls.ts")).networkLs,
  },
  {
    name: "rename",
    summary: "Give a sandbox another name",
    group: "Sandboxes",
    load: async () => (await import("./verbs/rename.ts")).rename,
  },
  {
    name: "tag",
    summary: "Show, set or remove a sandbox's tags",
    group: "Sandboxes",
    load: async () => (await import("./verbs/tag.ts")).tag,
  },
  {
    name: "tunnels",
    summary: "Show where a sandbox's ports are reached",
    group: "Sandboxes",
    load: async () => (await import("./verbs/tunnels.ts")).tunnels,
  },
  {
    name: "connect-token",
    summary: "Create a token that opens a port of a sandbox",
    group: "Sandboxes",
    load: async () => (await import("./verbs/connect-token.ts")).connectToken,
  },
  {
    name: "snapshot",
    summary: "Make an image of a sandbox's files",
    group: "Images",
    load: async () => (await import("./verbs/snapshot.ts")).snapshot,
  },
  {
    name: "image build",
    summary: "Build a Dockerfile",
    group: "Images",
    load: async () => (await import("./verbs/image-build.ts")).imageBuild,
  },
  {
    name: "image pull",
    summary: "Pull an image of a registry",
    group: "Images",
    load: async () => (await import("./verbs/image-build.ts")).imagePull,
  },
  {
    name: "image import",
    summary: "Make an image of an archive",
    group: "Images",
    load: async () => (await import("./verbs/image-transfer.ts")).imageImport,
  },
  {
    name: "image export",
    summary: "Write an image as an archive",
    group: "Images",
    load: async () => (await import("./verbs/image-transfer.ts")).imageExport,
  },
  {
    name: "image push",
    summary: "Put an image into a registry",
    group: "Images",
    load: async () => (await import("./verbs/image-transfer.ts")).imagePush,
  },
  {
    name: "image ls",
    summary: "List images",
    group: "Images",
    load: async () => (await import("./verbs/image.ts")).imageLs,
  },
  {
    name: "image inspect",
    summary: "Show what an image consists of",
    group: "Images",
    load: async () => (await import("./verbs/image.ts")).imageInspect,
  },
  {
    name: "image logs",
    summary: "Show what an image's build wrote",
    group: "Images",
    load: async () => (await import("./verbs/image-logs.ts")).imageLogs,
  },
  {
    name: "image tag",
    summary: "Name an image",
    group: "Images",
    load: async () => (await import("./verbs/image.ts")).imageTag,
  },
  {
    name: "image rm",
    summary: "Remove names of images, or images",
    group: "Images",
    load: async () => (await import("./verbs/image.ts")).imageRm,
  },
  {
    name: "image prune",
    summary: "Remove images that can be built again",
    group: "Images",
    load: async () => (await import("./verbs/image.ts")).imagePrune,
  },
  {
    name: "volume create",
    summary: "Create a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeCreate,
  },
  {
    name: "volume ls",
    summary: "List volumes, or the files in one",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeLs,
  },
  {
    name: "volume put",
    summary: "Put files into a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumePut,
  },
  {
    name: "volume get",
    summary: "Get files out of a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeGet,
  },
  {
    name: "volume rm",
    summary: "Remove files from a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeRm,
  },
  {
    name: "volume cp",
    summary: "Copy files within a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeCp,
  },
  {
    name: "volume mv",
    summary: "Rename a file within a volume",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeMv,
  },
  {
    name: "volume rename",
    summary: "Give a volume another name",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeRename,
  },
  {
    name: "volume delete",
    summary: "Delete volumes",
    group: "Volumes",
    load: async () => (await import("./verbs/volume.ts")).volumeDelete,
  },
  {
    name: "serve",
    summary: "Run the server",
    group: "Server",
    load: async () => (await import("./verbs/serve.ts")).serve,
  },
  {
    name: "stop",
    summary: "Terminate all sandboxes and stop this machine's server",
    group: "Server",
    load: async () => (await import("./verbs/stop.ts")).stop,
  },
  {
    name: "status",
    summary: "Show the server's address, version, counts and isolation levels",
    group: "Server",
    load: async () => (await import("./verbs/status.ts")).status,
  },
  {
    name: "df",
    summary: "Show what takes up the disk, and what could be freed",
    group: "Server",
    load: async () => (await import("./verbs/df.ts")).df,
  },
  {
    name: "gc",
    summary: "Find and remove what belongs to no sandbox",
    group: "Server",
    load: async () => (await import("./verbs/gc.ts")).gc,
  },
  {
    name: "setup",
    summary: "Install what is missing on this machine and make the base image",
    group: "Server",
    load: async () => (await import("./verbs/setup.ts")).setup,
  },
  {
    name: "doctor",
    summary: "Say what this machine has, and what to do about what it lacks",
    group: "Server",
    load: async () => (await import("./verbs/doctor.ts")).doctor,
  },
  {
    name: "token create",
    summary: "Create an API token and print it",
    group: "Access",
    load: async () => (await import("./verbs/token.ts")).tokenCreate,
  },
  {
    name: "token ls",
    summary: "List API tokens",
    group: "Access",
    load: async () => (await import("./verbs/token.ts")).tokenLs,
  },
  {
    name: "token rm",
    summary: "Revoke API tokens",
    group: "Access",
    load: async () => (await import("./verbs/token.ts")).tokenRm,
  },
  {
    name: "secret create",
    summary: "Create or replace a secret",
    group: "Access",
    load: async () => (await import("./verbs/secret.ts")).secretCreate,
  },
  {
    name: "secret update",
    summary: "Change keys of a secret",
    group: "Access",
    load: async () => (await import("./verbs/secret.ts")).secretUpdate,
  },
  {
    name: "secret ls",
    summary: "List secrets: names and keys, never values",
    group: "Access",
    load: async () => (await import("./verbs/secret.ts")).secretLs,
  },
  {
    name: "secret rm",
    summary: "Delete secrets",
    group: "Access",
    load: async () => (await import("./verbs/secret.ts")).secretRm,
  },
  {
    name: "trust",
    summary: "Have this machine trust the certificates of tunnels",
    group: "Access",
    load: async () => (await import("./verbs/trust.ts")).trust,
  },
  {
    name: "version",
    summary: "Print the version",
    group: "Atoll",
    load: async () => (await import("./verbs/version.ts")).versionVerb,
  },
  {
    name: "completion",
    summary: "Print a completion script for bash, zsh or fish",
    group: "Atoll",
    load: async () => (await import("./verbs/completion.ts")).completion,
  },
  {
    name: "help",
    summary: "Explain atoll or one of its verbs",
    group: "Atoll",
    load: async () => (await import("./verbs/help.ts")).help,
  },
];
