/** Mounts into sandboxes that run: what the launcher is told, and what its failures mean. */
import { AtollError } from "../../error.ts";
import { LauncherError } from "../../launcher/client.ts";
import type { LauncherMount } from "../../launcher/frames.ts";
import type { Mount } from "../engine.ts";

interface Sources {
  readonly name: string;
  /** Device of the sandbox's disk; empty when nothing is written there. */
  readonly disk: string;
  /** An empty directory. */
  readonly empty: string;
  /** Where the launcher is to mount it. */
  readonly path: string;
}

/** Directory of a sandbox's disk, outside of what the sandbox sees of it, that a mount is written to. */
export function placeOnDisk(name: string): string {
  return `mounts/${name}`;
}

/** Pure. */
export function mountOf({ content, subPath, readOnly }: Mount, { name, disk, empty, path }: Sources) {
  const common = { subPath: subPath ?? "", isReadOnly: readOnly ?? false, path };
  if ("hostDirectory" in content)
    return { ...common, layers: [], writable: "", place: "", source: content.hostDirectory } satisfies Part;
  const { layers, writable } = content;
  return {
    ...common,
    // Overlayfs wants two layers when nothing is written, and shows no whiteouts then.
    layers: [empty, ...layers],
    writable: typeof writable === "object" ? writable.directory : disk,
    place: typeof writable === "object" ? "." : placeOnDisk(name),
    source: "",
  } satisfies Part;
}

type Part = Omit<LauncherMount, "mountNamespacePid" | "userNamespacePid" | "rootId" | "root">;

const callersFault: Readonly<Record<string, string>> = {
  ENOTDIR: "it, or something on the way, is not a directory",
  ELOOP: "it is a symbolic link",
  EEXIST: "something on the way is no directory",
  ENAMETOOLONG: "the path is too long",
  EROFS: "it is missing and cannot be made there",
  EACCES: "it is missing and cannot be made there",
};

/** What a mount that failed means to who asked for it. */
export function mountFailure({ path, subPath }: Mount, error: unknown): unknown {
  if (!(error instanceof LauncherError)) return error;
  if (error.step.startsWith("sub-path"))
    return new AtollError("not_found", `cannot mount ${path}: it has no directory ${subPath}`, "Make it first.", error);
  return pointFailure(path, error.step.startsWith("mount point") ? error.errno : "", error);
}

/** @param errno of the attempt to reach or make the mount point; `error` as it is when it says nothing of the caller's */
export function pointFailure(path: string, errno: string, error: unknown): unknown {
  const reason = callersFault[errno];
  if (reason === undefined) return error;
  return new AtollError("invalid_argument", `cannot mount ${path}: ${reason}`, "Choose another path.", error);
}

export function unmountFailure(path: string, error: unknown): unknown {
  if (!(error instanceof LauncherError)) return error;
  if (error.errno === "EBUSY") return inUse(path, error);
  if (error.errno !== "ESTALE" && error.errno !== "ENOENT") return error;
  return new AtollError("conflict", `cannot unmount ${path}: it is not found there any more`, undefined, error);
}

export function inUse(path: string, cause?: unknown): AtollError {
  const hint = "Have the sandbox's processes close their files in it, and leave it as their working directory.";
  return new AtollError("conflict", `cannot unmount ${path}: something uses it`, hint, cause);
}
