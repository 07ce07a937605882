/** What the daemon and the egress program say to each other over a unix socket: JSON, a line each. */
import type { Duplex } from "node:stream";
import type { HeaderRule } from "../network/header-rule.ts";
import type { Traffic } from "../network/traffic.ts";

/** What one sandbox may reach by name. */
export interface ClientPolicy {
  /** As domainPattern gives them. */
  readonly domains: readonly string[];
  /** Ranges that names may resolve into although they are private: `first-last`, or an address alone. */
  readonly intervals: readonly string[];
  /** Secrets in requests to these names. */
  readonly rules: readonly HeaderRule[];
  /** It may reach everything by now, without this program: what is open goes on. */
  readonly isOpen?: boolean;
  readonly member?: Member | undefined;
}

/** The private network that a sandbox is in. */
export interface Member {
  readonly number: number;
  /** Names of members may be written below it. */
  readonly domain: string;
  /** Its own name, in lower case. */
  readonly name: string | undefined;
  /** Servers that it may ask for other names. */
  readonly nameServers: readonly string[];
}

export interface Settings {
  /** Asked for the addresses of names. */
  readonly nameServers: readonly string[];
  /** All sandboxes of the server, and its gateway. */
  readonly subnet: string;
}

export type ToEgress =
  /** The first message, and only the first. */
  | { readonly type: "settings"; readonly settings: Settings }
  /** Answered by `done` once it holds, for open connections too. Without a policy the address is unknown from now on. */
  | {
      readonly type: "client";
      readonly request: number;
      readonly address: string;
      readonly policy: ClientPolicy | undefined;
    }
  /** Answered by `done`, after what happened so far. */
  | { readonly type: "report"; readonly request: number };

export type FromEgress =
  /** It listens, and has given up being root. */
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly request: number }
  /** What the sandbox at the address did since the last time. */
  | { readonly type: "traffic"; readonly address: string; readonly traffic: readonly Traffic[] };

/** Longer than any message; the other side is one's own program, so this guards against mistakes alone. */
const longestLine = 16 * 1024 * 1024;

export function send(socket: Duplex, message: ToEgress | FromEgress): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

export function receive<Message extends ToEgress | FromEgress>(socket: Duplex, take: (message: Message) => void): void {
  let pending: Buffer[] = [];
  let length = 0;
  socket.on("data", (bytes: Buffer) => {
    let rest = bytes;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      take(JSON.parse(Buffer.concat([...pending, rest.subarray(0, end)]).toString()) as Message);
      [pending, length, rest] = [[], 0, rest.subarray(end + 1)];
    }
    pending.push(rest);
    length += rest.length;
    if (length > longestLine) socket.destroy(new Error("cannot take a message that long"));
  });
}
