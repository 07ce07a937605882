import type { Secrets } from "../secrets/secrets.ts";
import type { Handlers } from "./call.ts";

export function secretHandlers(
  secrets: Secrets,
): Pick<Handlers, "putSecret" | "listSecrets" | "getSecret" | "deleteSecret"> {
  return {
    putSecret: ({ params, body }) => secrets.put(params.name, body.values),
    listSecrets: () => ({ items: secrets.list() }),
    getSecret: ({ params }) => secrets.get(params.name),
    deleteSecret: ({ params }) => {
      secrets.remove(params.name);
      return undefined;
    },
  };
}
