/** What the daemon and the gateway's thread say to each other: plain data. */
import type { AuthorityOptions } from "../certificates/authority.ts";
import type { TunnelConfig } from "./tunnel-config.ts";

/** What the thread starts with. */
export interface GatewayStart {
  readonly config: TunnelConfig;
  /** Opens connect tokens. */
  readonly key: Uint8Array;
  /** Of the local authority, which exists by then; without it the certificate is that of the configuration. */
  readonly authority: {
    readonly directory: string;
    readonly options: Pick<AuthorityOptions, "commonName" | "permitted">;
  };
}

/** The ways into one sandbox. */
export interface Plan {
  readonly sandboxId: string;
  readonly address: string;
  /** Addresses that may come, as CIDRs; all when absent. */
  readonly ranges?: readonly string[] | undefined;
  readonly tunnels: readonly { readonly label: string; readonly port: number }[];
  /** Nobody gets in, and whoever is inside is cut off. */
  readonly isBlocked: boolean;
  /** Ports whose services speak HTTP/2. */
  readonly h2Ports: readonly number[];
  /** Label of its door: the way in for connect tokens. */
  readonly door: string;
}

/** Since the thread began, but for `open`. */
export interface Figures {
  /** Connections now. */
  readonly open: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Milliseconds by which the thread's event loop is late, since the last look. */
  readonly lateMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

export type RefusalReason = "unknown" | "not_allowed" | "blocked" | "limit" | "nothing_listens" | "handshake";

/** By name, with what is asked and what is answered. */
export interface Asks {
  /** @returns the port */
  readonly listen: { readonly give: { readonly port: number }; readonly take: number };
  /** Takes the place of an earlier plan for the sandbox; connections stay unless it is blocked. */
  readonly open: { readonly give: Plan; readonly take: undefined };
  /** @param wanted the machine's port, or 0 for any. @returns the machine's port */
  readonly openPlain: {
    readonly give: { readonly sandboxId: string; readonly port: number; readonly wanted: number };
    readonly take: number;
  };
  /** Ends the connections too. */
  readonly shut: { readonly give: { readonly sandboxId: string }; readonly take: undefined };
  readonly measure: { readonly give: undefined; readonly take: Figures };
  readonly close: { readonly give: undefined; readonly take: undefined };
}

export interface Ask<Name extends keyof Asks = keyof Asks> {
  readonly id: number;
  readonly name: Name;
  readonly give: Asks[Name]["give"];
}

export type Told =
  | { readonly answers: number; readonly take: unknown }
  | { readonly answers: number; readonly failure: string }
  /** Sandboxes whose connections have come or gone since the last time, with how many there are. */
  | { readonly connections: readonly (readonly [sandboxId: string, count: number])[] }
  | { readonly warning: string; readonly reason: string };
