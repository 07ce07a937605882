/**
 * The native API, one row an operation. The server registers, validates and documents from this table, and the SDK's
 * types are generated from it, so an operation that is not here does not exist.
 */
import { appRoutes } from "./apps.ts";
import { diskRoutes } from "./disk.ts";
import { fileRoutes } from "./files.ts";
import { identityRoutes } from "./identity.ts";
import { imageRoutes } from "./images.ts";
import { mountRoutes } from "./mounts.ts";
import { networkLogRoutes } from "./network-log.ts";
import { privateNetworkRoutes } from "./private-networks.ts";
import { processRoutes } from "./processes.ts";
import type { Route } from "./route.ts";
import { sandboxRoutes } from "./sandboxes.ts";
import { secretRoutes } from "./secrets.ts";
import { serverRoutes } from "./server.ts";
import { snapshotRoutes } from "./snapshots.ts";
import { tokenRoutes } from "./tokens.ts";
import { tunnelRoutes } from "./tunnels.ts";
import { volumeRoutes } from "./volumes.ts";

export type { Method, Route } from "./route.ts";

export const routes = {
  ...serverRoutes,
  ...diskRoutes,
  ...identityRoutes,
  ...appRoutes,
  ...sandboxRoutes,
  ...processRoutes,
  ...fileRoutes,
  ...secretRoutes,
  ...imageRoutes,
  ...snapshotRoutes,
  ...mountRoutes,
  ...volumeRoutes,
  ...tokenRoutes,
  ...tunnelRoutes,
  ...privateNetworkRoutes,
  ...networkLogRoutes,
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
