/** Whether a request may pass a door, and what of it does: pure. */
import type { ConnectGrant } from "./connect-token.ts";

/** By name in lower case. */
export type HeaderLists = NodeJS.Dict<string[]>;

export interface Asked {
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderLists;
}

export interface Admitted {
  readonly target: string;
  readonly headers: Record<string, string | string[]>;
  /** For a browser whose URL bore the token: the page's own requests bear none. */
  readonly setCookie: string | undefined;
}

const parameters = ["_atoll_connect_token", "_modal_connect_token"] as const;
/** Set for the service when the token carries metadata; what a client sends under it never arrives. */
const verified = "x-verified-user-data";
/** RFC 9110, 7.6.1: of one connection alone. */
const hops = new Set([
  "connection",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** @param check the grant of a token that is valid for the door */
export function admit(
  { target, headers }: Asked,
  check: (token: string) => ConnectGrant | undefined,
  now: number,
): Admitted | undefined {
  const [path = "/", query = ""] = splitOnce(target, "?");
  const fields = query.split("&").filter(Boolean);
  const cookies = (headers.cookie ?? []).flatMap((value) => value.split(/; */)).filter(Boolean);
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization?.[0] ?? "")?.[1];
  const inQuery = fields.find(isParameter);
  const token = bearer ?? valueIn(inQuery) ?? valueIn(cookies.find(isParameter));
  const grant = token === undefined ? undefined : check(token);
  if (token === undefined || !grant) return undefined;
  const kept = fields.filter((field) => !isParameter(field)).join("&");
  const passing = passingHeaders(headers, bearer !== undefined);
  const otherCookies = cookies.filter((field) => !isParameter(field));
  if (otherCookies.length > 0) passing.cookie = otherCookies.join("; ");
  if (grant.metadata !== undefined) passing[verified] = grant.metadata;
  return {
    target: kept === "" ? path : `${path}?${kept}`,
    headers: passing,
    setCookie: inQuery !== undefined && bearer === undefined ? cookieFor(token, grant.expiresAt - now) : undefined,
  };
}

/** What a proxy hands on of a message's headers, in either direction. */
export function handedOn(given: HeaderLists): [name: string, values: string[]][] {
  const named = new Set((given.connection ?? []).flatMap((value) => value.toLowerCase().split(/[ ,]+/)));
  return Object.entries(given).flatMap(([name, values]) =>
    values === undefined || hops.has(name) || named.has(name) ? [] : [[name, values] as [string, string[]]],
  );
}

/** A service behind CGI or WSGI reads `-` and `_` as one, so neither spelling of the verified header may come from a client. */
function passingHeaders(given: HeaderLists, hasBearer: boolean): Record<string, string | string[]> {
  const passing: Record<string, string | string[]> = {};
  for (const [name, values] of handedOn(given)) {
    if (name === "cookie" || name.replaceAll("_", "-") === verified) continue;
    if (name === "authorization" && hasBearer) continue;
    passing[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return passing;
}

function cookieFor(token: string, validMs: number): string {
  const age = Math.max(1, Math.floor(validMs / 1000));
  return `${parameters[0]}=${token}; Path=/; Max-Age=${age}; Secure; HttpOnly; SameSite=Lax`;
}

function isParameter(field: string): boolean {
  return parameters.some((name) => field.startsWith(`${name}=`));
}

function valueIn(field: string | undefined): string | undefined {
  return field === undefined ? undefined : splitOnce(field, "=")[1];
}

function splitOnce(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}
