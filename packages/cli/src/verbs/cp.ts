import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { AtollError, type CopyOptions, Sandbox, type SandboxFilesystem } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { destination, type Place, placeOf } from "../copy-place.ts";
import { UsageError } from "../errors.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { flag, one, text } from "../option.ts";
import { plain, write } from "../print.ts";
import { progressOf } from "../progress.ts";
import { defineVerb } from "../verb.ts";

export const cp = defineVerb({
  usage: "SOURCE DESTINATION",
  description:
    "Copies a file, or a directory with all that is in it. One side is SANDBOX:/path, the other a path of this machine or - for stdin\n" +
    "or stdout. A destination that is a directory, or ends with a slash, gets the copy under the source's name; otherwise the copy gets\n" +
    "the destination's name. Permissions and links are kept; what is copied into a sandbox belongs to the user who writes it. A\n" +
    "directory is written to stdout as a tar archive.",
  options: {
    recursive: flag("Directories are copied whole in any case.", "r"),
    user: one("USER", "Read or write as this user of the sandbox; root when absent.", text),
    quiet: flag("Show no progress.", "q"),
  },
  arguments: [2, 2],
  examples: [
    "atoll cp ./src web:/srv",
    "atoll cp web:/var/log/app.log .",
    "atoll cp web:/etc - | tar t",
    "echo hello | atoll cp - web:/tmp/greeting",
  ],
  async run({ values, positionals: [from = "", to = ""], signal }) {
    const [source, target] = [placeOf(from), placeOf(to)];
    const inside = source.kind === "sandbox" ? source : target;
    if (inside.kind !== "sandbox" || (source.kind === "sandbox" && target.kind === "sandbox")) throw notOneSandbox();
    const client = await connect(signal);
    const id = await findSandboxId(client, inside.sandbox, signal);
    const { fs } = await Sandbox.fromId(id, { client, signal });
    const progress = progressOf(plain(basename(inside.path)), values.quiet);
    try {
      await copy(fs, source, target, { user: values.user, signal, onProgress: progress.onProgress });
    } finally {
      progress.done();
    }
    return 0;
  },
});

async function copy(fs: SandboxFilesystem, source: Place, target: Place, options: CopyOptions): Promise<void> {
  if (source.kind === "sandbox" && target.kind === "stream") await toStdout(fs, source.path, options);
  else if (source.kind === "stream" && target.kind === "sandbox") await fromStdin(fs, target.path, options);
  else if (source.kind === "sandbox" && target.kind === "local") {
    const local = destination(source.path, target.path, await isLocalDirectory(target.path));
    await fs.copyToLocal(source.path, local, options);
  } else if (source.kind === "local" && target.kind === "sandbox") {
    const local = resolve(source.path);
    const isDirectory = await isDirectoryInside(fs, target.path, options);
    await fs.copyFromLocal(local, destination(local, target.path, isDirectory), options);
  }
}

async function toStdout(
  fs: SandboxFilesystem,
  path: string,
  { onProgress: _, ...options }: CopyOptions,
): Promise<void> {
  const { type } = await fs.stat(path, options);
  const stream = type === "directory" ? await fs.readArchive(path, options) : await fs.readStream(path, options);
  for await (const piece of stream) await write(process.stdout, piece);
}

async function fromStdin(
  fs: SandboxFilesystem,
  path: string,
  { onProgress: _, ...options }: CopyOptions,
): Promise<void> {
  const { stdin } = process;
  try {
    await fs.writeStream(path, stdin, options);
  } finally {
    // An unread stdin would keep the program running.
    stdin.destroy();
  }
}

async function isLocalDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false, // it is made, or what makes it says why not
  );
}

async function isDirectoryInside(fs: SandboxFilesystem, path: string, options: CopyOptions): Promise<boolean> {
  try {
    return (await fs.stat(path, { user: options.user, signal: options.signal })).type === "directory";
  } catch (error) {
    if (error instanceof AtollError && error.code === "file_not_found") return false;
    throw error;
  }
}

function notOneSandbox(): UsageError {
  return new UsageError(
    "cannot copy: one side must be in a sandbox, and the other must not",
    "Write that side as SANDBOX:/path.",
  );
}
