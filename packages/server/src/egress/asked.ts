/** Whom a request of HTTP/1 is for, by its target and its Host header (RFC 9112, 3.2 and 3.3): pure. */
import { egressPorts } from "../network/rules.ts";
import { refusals } from "./refused.ts";

export interface Request {
  readonly url: string;
  /** Values of all Host headers. */
  readonly hosts: readonly string[];
  /** Of the gateway, where it came in. */
  readonly port: number;
  /** The port that CONNECT has named, inside of what that opened. */
  readonly portWithin?: number | undefined;
}

export interface Asked {
  readonly name: string;
  readonly port: number;
  /** What the server is to be told in the Host header. */
  readonly host: string;
  readonly path: string;
}

const normalPort = 80;

/** @throws Refused for a request that two readers could read in two ways */
export function asked({ url, hosts, port, portWithin }: Request): Asked {
  const [host, ...more] = hosts;
  if (host === undefined || more.length > 0) throw refusals.malformed;
  const absolute = /^http:\/\/([^/?#]*)([^#]*)$/i.exec(url);
  if (absolute) {
    const [, authority = "", rest = ""] = absolute;
    const named = nameAndPort(authority);
    const path = rest.startsWith("/") ? rest : `/${rest}`;
    return { name: named.name, port: portWithin ?? named.port ?? normalPort, host: authority, path };
  }
  const isForProxy = port === egressPorts.proxy && portWithin === undefined;
  if (isForProxy || !(url.startsWith("/") || url === "*")) throw refusals.malformed;
  return { name: nameAndPort(host).name, port: portWithin ?? port, host, path: url };
}

/** @throws Refused for what is no `name:port` */
export function askedToConnect(url: string): { readonly name: string; readonly port: number } {
  const { name, port } = nameAndPort(url);
  if (port === undefined) throw refusals.malformed;
  return { name, port };
}

function nameAndPort(authority: string): { readonly name: string; readonly port: number | undefined } {
  const match = /^(\[[0-9a-f:.]+\]|[^:@/\\[\]\s]+)(?::(\d{1,5}))?$/i.exec(authority);
  const port = match?.[2] === undefined ? undefined : Number(match[2]);
  if (!match || port === 0 || (port ?? 0) > 65_535) throw refusals.malformed;
  return { name: match[1] ?? "", port };
}
