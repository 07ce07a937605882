/** Apps: names that sandboxes are grouped under. */
import Type, { type Static } from "typebox";
import type { Route } from "./route.ts";
import { closed, Id, Instant, ScopedName } from "./values.ts";

export const App = Type.Object({ id: Id("ap", "Id of the app."), name: ScopedName, createdAt: Instant }, closed);

export const AppList = Type.Object({ items: Type.Array(App) }, closed);

export const AppLookup = Type.Object({ name: ScopedName, createIfMissing: Type.Optional(Type.Boolean()) }, closed);

export type App = Static<typeof App>;

export const appRoutes = {
  lookupApp: {
    method: "POST",
    path: "/v1/apps/lookup",
    summary: "Find an app by name, or make it",
    body: AppLookup,
    response: App,
  },
  listApps: { method: "GET", path: "/v1/apps", summary: "List apps", response: AppList },
} as const satisfies Record<string, Route>;
