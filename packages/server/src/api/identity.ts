import type { Identity } from "../identity/identity.ts";
import type { Handlers } from "./call.ts";

export function identityHandlers(identity: Identity): Pick<Handlers, "identityConfiguration" | "identityKeys"> {
  return {
    identityConfiguration: () => identity.configuration(),
    identityKeys: () => identity.keys(),
  };
}
