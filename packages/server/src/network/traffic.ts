/** What the network tells of sandboxes, by their addresses. */

export interface Destination {
  /** Canonical where it is a name, and as the sandbox wrote it where it is none. */
  readonly name: string;
  readonly port: number;
  readonly protocol: "tcp" | "dns";
  /** Why it was refused; absent when it was not. */
  readonly refusal?: string;
  /** Where the name led to, at the last connection. */
  readonly address?: string;
  /** What was put into requests. */
  readonly secret?: string;
}

/** What happened since it was last told of. */
export interface Traffic extends Destination {
  /** Connections, requests with a secret, or refusals. */
  readonly count: number;
  /** Bytes out of the sandbox and into it. */
  readonly sent: number;
  readonly received: number;
  /** When it first and last happened, in milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface TrafficSource {
  /** Has the listener told of everything that happened before. */
  settle(): Promise<void>;
  /** The one who is told, some time after it has happened and before the address is anybody else's. */
  onTraffic(listener: (address: string, traffic: readonly Traffic[]) => void): void;
}
