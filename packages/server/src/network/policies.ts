/**
 * What the gateway's sets hold for each slot. Every change is one nftables transaction; those asked for while one is under way share the
 * next. A slot is in no set, and reaches nothing, until it was made `fresh`.
 */
import { readFile, rm } from "node:fs/promises";
import { AtollError } from "../error.ts";
import type { Launcher } from "../launcher/client.ts";
import { interval, range } from "./cidr.ts";
import { changes, type Outbound, open } from "./outbound.ts";

const stepLimitMs = 20_000;

interface Change {
  readonly slot: string;
  /** Undefined when the slot is gone. */
  readonly to: Outbound | undefined;
  readonly done: PromiseWithResolvers<void>;
}

export class NetworkPolicies {
  readonly #launcher: Launcher;
  readonly #has = new Map<string, Outbound>();
  #waiting: Change[] = [];
  #working: Promise<void> | undefined;

  private constructor(launcher: Launcher) {
    this.#launcher = launcher;
  }

  /**
   * Takes over what an earlier daemon left in the sets.
   * @param listing a path for the list, which may be longer than what the launcher passes on
   */
  static async load(launcher: Launcher, listing: string, signal: AbortSignal): Promise<NetworkPolicies> {
    const policies = new NetworkPolicies(launcher);
    const argv = ["sh", "-ec", 'exec nft --json list table inet atoll > "$0"', listing];
    try {
      const listed = await launcher.run(argv, { signal, timeoutMs: stepLimitMs });
      if (listed.exitCode !== 0) throw failed(listed.stderr);
      for (const [slot, found] of outboundsOf(await readFile(listing, "utf8"))) policies.#has.set(slot, found);
    } finally {
      await rm(listing, { force: true });
    }
    return policies;
  }

  /**
   * Sees to it that a slot about to be made has the policy of a new one: open.
   * @param next names of slots that are not in use and are likely to be made after it
   */
  async fresh(slot: string, next: readonly string[]): Promise<void> {
    const ahead = this.#has.has(slot) ? [] : next.filter((name) => !this.#has.has(name));
    await Promise.all([slot, ...ahead].map((name) => this.set(name, open)));
  }

  /** Settles once the policy holds, for packets of open connections too. */
  set(slot: string, to: Outbound): Promise<void> {
    return this.#change(slot, to);
  }

  /** Leaves nothing of a slot in the sets. */
  remove(slot: string): Promise<void> {
    return this.#change(slot, undefined);
  }

  async #change(slot: string, to: Outbound | undefined): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ slot, to, done });
    this.#working ??= this.#work();
    await done.promise;
  }

  async #work(): Promise<void> {
    await null; // what is asked for in this turn goes together
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#apply(batch).then(
        () => batch.forEach(({ done }) => void done.resolve()),
        (error: unknown) => batch.forEach(({ done }) => void done.reject(error)),
      );
    }
    this.#working = undefined;
  }

  async #apply(batch: readonly Change[]): Promise<void> {
    const last = new Map(batch.map(({ slot, to }) => [slot, to]));
    const commands = [...last].flatMap(([slot, to]) => changes(slot, this.#has.get(slot), to));
    if (commands.length > 0) {
      // Not the caller's signal: a change is made or not, and others may be part of it.
      const options = { stdin: `${commands.join("\n")}\n`, timeoutMs: stepLimitMs };
      const changed = await this.#launcher.run(["nft", "-f", "-"], options);
      if (changed.exitCode !== 0) throw failed(changed.stderr);
    }
    for (const [slot, to] of last) {
      if (to) this.#has.set(slot, to);
      else this.#has.delete(slot);
    }
  }
}

function failed(stderr: string): AtollError {
  return new AtollError("internal", `cannot change the network policy: ${stderr.trim()}`);
}

type Address = string | { readonly prefix: { addr: string; len: number } } | { readonly range: [string, string] };
type Element = string | { readonly concat: [string, Address] };
interface Listed {
  readonly set?: { readonly name: string; readonly elem?: readonly Element[] };
  readonly map?: { readonly elem?: readonly [string, number][] };
}

/** Pure: what the sets hold, from nft's JSON of the table. */
export function outboundsOf(json: string): Map<string, Outbound> {
  const sets = new Map<string, readonly Element[]>();
  const { nftables }: { nftables: readonly Listed[] } = JSON.parse(json);
  for (const { set } of nftables) if (set) sets.set(set.name, set.elem ?? []);
  const [opened, proxied] = [new Set(sets.get("open")), new Set(sets.get("proxied"))];
  const intervals = new Map<string, string[]>();
  for (const element of sets.get("allowed") ?? []) {
    if (typeof element === "string") continue;
    const [slot, address] = element.concat;
    intervals.set(slot, [...(intervals.get(slot) ?? []), intervalOf(address)]);
  }
  const networks = new Map(nftables.flatMap(({ map }) => map?.elem ?? []));
  const joined = new Set((sets.get("joined") ?? []).filter((element) => typeof element === "string"));
  const modeOf = (slot: string) => (joined.has(slot) ? (opened.has(slot) ? "open" : "listed") : "blocked");
  return new Map(
    [...joined.union(new Set(networks.keys()))].map((slot) => [
      slot,
      {
        mode: modeOf(slot),
        intervals: intervals.get(slot) ?? [],
        isProxied: proxied.has(slot),
        network: networks.get(slot),
      },
    ]),
  );
}

function intervalOf(address: Address): string {
  if (typeof address === "string") return address;
  if ("range" in address) return address.range.join("-");
  const found = range(`${address.prefix.addr}/${address.prefix.len}`);
  if (!found) throw new Error(`cannot read nft's prefix ${JSON.stringify(address)}`);
  return interval(found);
}
