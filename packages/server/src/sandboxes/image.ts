import { AtollError } from "../error.ts";

/** What the core needs to know of an image. */
export interface Image {
  /** Read-only layer directories, lowest first. */
  readonly layers: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
}

export interface Images {
  /** @throws AtollError not_found, or unavailable while the base image is not made */
  resolve(name: string, signal: AbortSignal): Promise<Image>;
}

export const baseImage = "base";

/** Offers the default base image alone. */
export function onlyBaseImage(base: (signal: AbortSignal) => Promise<Image>): Images {
  return {
    resolve: async (name, signal) => {
      if (name === baseImage) return await base(signal);
      throw new AtollError(
        "not_found",
        `cannot find the image "${name}"`,
        `The one image this server has is "${baseImage}"; leave the image out to use it.`,
      );
    },
  };
}
