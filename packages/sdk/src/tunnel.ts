/** The way into one port of a sandbox. */
import { InvalidError } from "./errors.ts";
import type { ConnectToken, Tunnel as TunnelInfo } from "./generated/api.ts";

export type { ConnectToken };

export interface ConnectTokenOptions {
  /** Of the service in the sandbox; 8080 when absent. */
  readonly port?: number | undefined;
  /** Reaches the service as the header X-Verified-User-Data: text of printable ASCII, or a value that becomes JSON. */
  readonly userMetadata?: unknown;
  /** How long the token is valid, in milliseconds; an hour when absent. */
  readonly ttlMs?: number | undefined;
  /** The same in seconds. */
  readonly ttl?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Tunnel {
  /** `https://host:port`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly #info: TunnelInfo;

  constructor(info: TunnelInfo) {
    this.#info = info;
    this.url = info.url;
    this.host = info.host;
    this.port = info.port;
  }

  /** Host and port of the TLS server, which is told which tunnel is meant by the server name. */
  get tlsSocket(): [host: string, port: number] {
    return [this.host, this.port];
  }

  /**
   * Host and port without TLS.
   * @throws {InvalidError} unless the port is one of `unencryptedPorts`
   */
  get tcpSocket(): [host: string, port: number] {
    const { unencryptedHost, unencryptedPort, containerPort } = this.#info;
    if (unencryptedHost !== undefined && unencryptedPort !== undefined) return [unencryptedHost, unencryptedPort];
    throw new InvalidError(`cannot reach port ${containerPort} without TLS: it is an encrypted one`, {
      code: "invalid_argument",
      hint: "Create the sandbox with the port in unencryptedPorts.",
    });
  }

  toJSON(): TunnelInfo {
    return this.#info;
  }
}

/** JSON in ASCII, since the text travels in a header. */
export function metadataText(value: unknown): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
