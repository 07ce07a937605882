import type { IncomingHttpHeaders } from "node:http";
import { AtollError } from "../error.ts";
import { isLoopback } from "../loopback.ts";

export interface Admission {
  /** @throws AtollError invalid_argument when the request was not meant for this server */
  checkOrigin(headers: IncomingHttpHeaders): void;
  /** @throws AtollError unauthenticated */
  checkToken(headers: IncomingHttpHeaders): void;
}

/**
 * Who is let in. On loopback only names of loopback are answered: a web page whose name was made to resolve to 127.0.0.1
 * (DNS rebinding) sends its own name in Host, and one that posts across origins sends it in Origin.
 * @param ownName of this server for others, who come through something that listens elsewhere
 * @param isValid looks a token up by its hash, so that comparing takes no secret-dependent time
 */
export function admission(
  listenHost: string,
  ownName: string | undefined,
  isValid: (token: string) => boolean,
): Admission {
  const isLocal = isLoopback(listenHost);
  const isOwn = (name: string) => isLoopback(name) || name === ownName;
  return {
    checkOrigin: ({ host, origin }) => {
      if (!isLocal) return;
      if (!isOwn(hostnameOf(`http://${host ?? ""}`))) throw refused(`the host ${JSON.stringify(host ?? "")}`);
      if (origin !== undefined && !isOwn(hostnameOf(origin))) throw refused(`the origin ${JSON.stringify(origin)}`);
    },
    checkToken: (headers) => {
      const token = tokenIn(headers);
      if (token === undefined) throw new AtollError("unauthenticated", "cannot answer without a token");
      if (!isValid(token)) throw new AtollError("unauthenticated", "cannot answer: the token is not valid");
    },
  };
}

function refused(what: string): AtollError {
  return new AtollError(
    "invalid_argument",
    `cannot answer a request for ${what}: this server answers on loopback only`,
    "Use http://127.0.0.1 or http://localhost, or say with ATOLL_LISTEN or ATOLL_ISSUER where else it is reached.",
  );
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : "";
}

/** A browser cannot set headers on a WebSocket, so there the token comes as a subprotocol. */
function tokenIn(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  return bearer ?? /(?:^|[ ,])bearer\.([^ ,]+)/.exec(headers["sec-websocket-protocol"] ?? "")?.[1];
}
