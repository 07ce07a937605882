import type { Tokens } from "../tokens/tokens.ts";
import type { Handlers } from "./call.ts";

export function tokenHandlers(tokens: Tokens): Pick<Handlers, "createToken" | "listTokens" | "deleteToken"> {
  return {
    createToken: ({ body }) => tokens.create(body.name),
    listTokens: () => ({ items: tokens.list() }),
    deleteToken: ({ params }) => {
      tokens.remove(params.tokenId);
      return undefined;
    },
  };
}
