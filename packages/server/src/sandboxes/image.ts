import { AtollError } from "../error.ts";

/** What the core needs to know of an image. */
export interface Image {
  readonly id: string;
  /** Read-only layer directories, lowest first. */
  readonly layers: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  /** Comes before the command, whoever names it. */
  readonly entrypoint?: readonly string[] | undefined;
  /** The command when a sandbox's creator names none. */
  readonly cmd?: readonly string[] | undefined;
}

export interface Images {
  /** @throws AtollError not_found, or unavailable while the base image is not made */
  resolve(name: string, signal: AbortSignal): Promise<Image>;
}

export const baseImage = "base";

/** Offers the default base image alone. */
export function onlyBaseImage(base: (signal: AbortSignal) => Promise<Omit<Image, "id">>): Images {
  return {
    resolve: async (name, signal) => {
      if (name === baseImage) return { id: baseImage, ...(await base(signal)) };
      throw noImage(name);
    },
  };
}

export function noImage(name: string): AtollError {
  return new AtollError(
    "not_found",
    `cannot find the image "${name}"`,
    `See \`atoll image ls\`; leave the image out to use "${baseImage}".`,
  );
}
