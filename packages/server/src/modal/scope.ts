import { mainEnvironment } from "../environments/environments.ts";
import type { Core } from "./core.ts";

/** An environment as a client names it: its names, and the core's. */
export interface Scope {
  readonly environmentName: string;
  /** What the core calls it. */
  full(name: string): string;
  /** What the environment calls it; undefined for what belongs to another. */
  own(full: string | undefined): string | undefined;
}

/** @param name of the environment, `main` when empty. @throws AtollError not_found */
export function scopeOf({ environments }: Core, name: string): Scope {
  const environmentName = environments.get(name || mainEnvironment.name).name;
  const prefix = environmentName === mainEnvironment.name ? "" : `${environmentName}/`;
  return {
    environmentName,
    full: (own) => prefix + own,
    own: (full) => {
      if (full === undefined || !full.startsWith(prefix)) return undefined;
      const own = full.slice(prefix.length);
      return own.includes("/") ? undefined : own;
    },
  };
}

/** For who makes something: an environment that is not there yet is made. @throws AtollError invalid_argument */
export function madeScope(core: Core, name: string): Scope {
  if (name !== "" && !core.environments.find(name)) core.environments.create(name);
  return scopeOf(core, name);
}

/** A full name without its environment, and that environment's name. */
export function namesOf(full: string): { readonly environmentName: string; readonly own: string } {
  const slash = full.indexOf("/");
  if (slash < 0) return { environmentName: mainEnvironment.name, own: full };
  return { environmentName: full.slice(0, slash), own: full.slice(slash + 1) };
}
