import type { Secrets } from "../secrets/secrets.ts";
import type { Handlers } from "./call.ts";

export function secretHandlers(
  secrets: Secrets,
): Pick<Handlers, "createSecret" | "putSecret" | "updateSecret" | "listSecrets" | "getSecret" | "deleteSecret"> {
  return {
    createSecret: ({ body }) => secrets.create(body.values),
    updateSecret: ({ params, body }) => secrets.update(params.name, body),
    putSecret: ({ params, body }) => secrets.put(params.name, body.values),
    listSecrets: () => ({ items: secrets.list() }),
    getSecret: ({ params }) => secrets.get(params.name),
    deleteSecret: ({ params }) => {
      secrets.remove(params.name);
      return undefined;
    },
  };
}
