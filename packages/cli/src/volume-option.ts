import { UsageError } from "./errors.ts";

export interface WantedVolume {
  readonly volume: string;
  readonly path: string;
  readonly readOnly: boolean;
  /** A directory of the volume; all of it when absent. */
  readonly subPath?: string | undefined;
}

const form = /^(?<volume>[^:/]+):(?<path>\/(?:(?!,subpath=)[^:])*)(?::(?<access>ro|rw))?(?:,subpath=(?<subPath>.+))?$/;

/** VOLUME:PATH, with :ro behind it or not, and ,subpath=DIRECTORY at the end or not. */
export function volumes(texts: readonly string[]): WantedVolume[] {
  return texts.map((given) => {
    const { volume, path, access, subPath } = form.exec(given)?.groups ?? {};
    if (volume !== undefined && path !== undefined) return { volume, path, readOnly: access === "ro", subPath };
    const hint = "Write it as VOLUME:/path, VOLUME:/path:ro or VOLUME:/path,subpath=directory.";
    throw new UsageError(`cannot read ${JSON.stringify(given)}`, hint);
  });
}
