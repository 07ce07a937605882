/** What is mounted into sandboxes that run. */
import Type, { type Static } from "typebox";
import { ofSandbox } from "./parameters.ts";
import type { Route } from "./route.ts";
import { closed } from "./values.ts";

const readOnly = Type.Boolean({ description: "Whether nothing can be written there." });
const path = Type.String({ minLength: 1, maxLength: 4096, description: "Absolute path of a directory inside." });

export const Mount = Type.Object(
  { path, image: Type.Optional(Type.String({ description: "Id of the image that is mounted there." })), readOnly },
  closed,
);

export type Mount = Static<typeof Mount>;

export const mountRoutes = {
  listMounts: {
    method: "GET",
    path: "/v1/sandboxes/{sandboxId}/mounts",
    summary: "List what was mounted into a sandbox",
    params: ofSandbox,
    response: Type.Object({ items: Type.Array(Mount) }, closed),
  },
  mountImage: {
    method: "POST",
    path: "/v1/sandboxes/{sandboxId}/mounts",
    summary: "Mount an image at a path of a running sandbox; the path is made when missing, and hidden when not",
    params: ofSandbox,
    body: Type.Object(
      {
        path,
        image: Type.String({ minLength: 1, maxLength: 256, description: "Id or name of an image." }),
        readOnly: Type.Optional(readOnly),
      },
      closed,
    ),
    response: Mount,
    status: 201,
  },
  unmountImage: {
    method: "DELETE",
    path: "/v1/sandboxes/{sandboxId}/mounts",
    summary: "Unmount an image; what was written there is gone",
    params: ofSandbox,
    query: Type.Object({ path }, closed),
    response: "empty",
    status: 204,
  },
} as const satisfies Record<string, Route>;
