import { UsageError } from "./errors.ts";

export interface WantedVolume {
  readonly volume: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** VOLUME:PATH or VOLUME:PATH:ro. */
export function volumes(texts: readonly string[]): WantedVolume[] {
  return texts.map((given) => {
    const [, volume, path, access] = /^([^:/]+):(\/[^:]*)(?::(ro|rw))?$/.exec(given) ?? [];
    if (volume !== undefined && path !== undefined) return { volume, path, readOnly: access === "ro" };
    throw new UsageError(`cannot read ${JSON.stringify(given)}`, "Write it as VOLUME:/path or VOLUME:/path:ro.");
  });
}
