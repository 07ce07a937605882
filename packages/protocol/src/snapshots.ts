/** Snapshots of the files of running sandboxes. */
import Type, { type Static } from "typebox";
import { Image, ImageName } from "./images.ts";
import { ofSandbox } from "./parameters.ts";
import type { Route } from "./route.ts";
import { closed } from "./values.ts";

/** Ten years. */
const longestTtlMs = 315_360_000_000;

export const Snapshot = Type.Object(
  {
    image: Image,
    pausedMs: Type.Number({
      description:
        "How long the sandbox's processes were stopped; 0 when a repeated request is told of the snapshot of the first.",
    }),
  },
  closed,
);

export type Snapshot = Static<typeof Snapshot>;

export const snapshotRoutes = {
  snapshotSandbox: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/snapshot",
    summary: "Make an image of the sandbox's file system, or of a directory of it, as it is at one instant",
    params: ofSandbox,
    body: Type.Object(
      {
        name: Type.Optional(ImageName),
        ttlMs: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: longestTtlMs,
            description: "Remove the image after this long, once nothing uses it; it is kept when absent.",
          }),
        ),
        path: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 4096,
            description: "A directory, which becomes the root of the image; the whole file system when absent.",
          }),
        ),
      },
      closed,
    ),
    response: Snapshot,
    status: 201,
    isIdempotent: true,
  },
} as const satisfies Record<string, Route>;
