import type { Apps } from "../apps/apps.ts";
import type { Handlers } from "./call.ts";

export function appHandlers(apps: Apps): Pick<Handlers, "lookupApp" | "listApps"> {
  return {
    lookupApp: ({ body }) => apps.lookup(body.name, body.createIfMissing ?? false),
    listApps: () => ({ items: apps.list() }),
  };
}
