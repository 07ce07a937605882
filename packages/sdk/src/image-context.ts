/** The directory that a Dockerfile copies from, as an archive. */
import { InvalidError } from "./errors.ts";
import { type Archive, directoryArchive } from "./local-archive.ts";

/** @returns the text of a Dockerfile. @throws {InvalidError} when it cannot be read */
export async function dockerfileText(path: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new InvalidError(`cannot read the Dockerfile ${path}`, {
      code: "invalid_argument",
      hint: "Name a file that exists.",
      cause,
    });
  }
}

/** Packs a directory without what `.dockerignore` leaves out; `NAME.dockerignore` beside a Dockerfile goes before it. */
export async function contextArchive(context: string, dockerfile: string | undefined): Promise<Archive> {
  const { dockerignore, hasExceptions } = await import("./dockerignore.ts");
  const text =
    (dockerfile && (await ignoreText(`${dockerfile}.dockerignore`))) ?? (await ignoreText(`${context}/.dockerignore`));
  if (text === undefined) return directoryArchive(context);
  const isIgnored = dockerignore(text);
  return directoryArchive(context, isIgnored, hasExceptions(text));
}

async function ignoreText(path: string): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  return readFile(path, "utf8").catch(() => undefined);
}
