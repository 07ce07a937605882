import type { Isolation } from "@atoll/protocol";
import type { WatchedProcess } from "../../launcher/client.ts";
import type { HolderSpec, UidRange } from "./spec.ts";

/** What differs between OCI runtimes. Nothing outside the files that implement this knows a runtime's flags. */
export interface Runtime {
  readonly isolation: Isolation;
  /** Whether files are owned through a user namespace of the sandbox's own. */
  readonly hasUserNamespace: boolean;
  /** What the runtime itself runs counts against the machine's limit, too: how high that must be for so many processes inside. */
  pidsFor(pids: number): number;
  /** Whether init sets the limit of processes, in the runtime's own kernel. */
  readonly limitsPidsInside: boolean;
  /** Memory of the runtime itself, likewise, in bytes. */
  readonly ownMemoryBytes: number;

  /** Content of config.json. */
  spec(holder: HolderSpec, uids: UidRange): object;
  /** Starts the holder of a bundle, and answers the process with whose end the sandbox ends. */
  start(request: StartRequest, signal: AbortSignal): Promise<WatchedProcess>;
  /** Which process owns the mount namespace that the holder's files are looked up in. */
  rootPid(key: string, pid: number): Promise<number>;
  /** How to put a root under a holder that runs. */
  attachment(started: { readonly pid: number; readonly rootPid: number }): Attachment;
  /** Keys of the holders that it has files of. */
  list(): Promise<readonly string[]>;
  /** Forgets a holder whose processes are gone. */
  remove(key: string, signal: AbortSignal): Promise<void>;
}

export interface StartRequest {
  readonly key: string;
  readonly bundle: string;
  readonly sharesFiles: boolean;
  /** cgroup.procs files to enter. */
  readonly cgroups: readonly string[];
}

export interface Attachment {
  readonly mountNamespacePid: number;
  /** 0 for none. */
  readonly userNamespacePid: number;
  /** Directory to attach the root to, as that mount namespace sees it. */
  readonly target: string;
  readonly moves: readonly string[];
  /** What that mount namespace has of the host, and nobody is to write from there. */
  readonly closed: readonly string[];
  readonly hasSysfs: boolean;
  readonly pivot: boolean;
  /** Where the mount namespace has what is mounted later, and where init binds it from when that is not seen inside by itself. */
  readonly mounts: { readonly root: string; readonly bindFrom?: string };
  /** For init's SETUP frame: where init itself has to enter the root; empty when that is done from outside. */
  readonly enter: string;
}
