/** A pool of network namespaces, each with an address and a route of its own, made ahead and thrown away after one use. */
import { readdir } from "node:fs/promises";
import { AtollError } from "../error.ts";
import type { Launcher } from "../launcher/client.ts";
import { type Gateway, slotPrefix } from "./gateway.ts";
import type { NetworkPolicies } from "./policies.ts";
import { gatewayAddress, slotLimit } from "./subnet.ts";

export interface Slot {
  readonly name: string;
  /** Path to give to a runtime. */
  readonly namespace: string;
  /** The sandbox's address. */
  readonly address: string;
}

/** Where the launcher's own mount namespace shows network namespaces, see ip-netns(8). */
const namespaces = "/run/netns";
const stepLimitMs = 20_000;
/** Namespaces removed, or made known to the gateway, by one command; the kernel tears down a batch in the time of one. */
const batch = 64;

export interface SlotsOptions {
  /** Slots kept ready. */
  readonly ready: number;
  readonly onError: (error: unknown) => void;
}

export class NetworkSlots {
  readonly #launcher: Launcher;
  readonly #gateway: Gateway;
  readonly #policies: NetworkPolicies;
  readonly #options: SlotsOptions;
  readonly #used = new Set<string>();
  readonly #stray = new Set<string>();
  readonly #ready: Slot[] = [];
  readonly #discarded = new Set<string>();
  readonly #making = new Set<Promise<unknown>>();
  #isClosed = false;
  #next = 0;
  #sweeping: Promise<void> | undefined;

  constructor(launcher: Launcher, gateway: Gateway, policies: NetworkPolicies, options: SlotsOptions) {
    this.#launcher = launcher;
    this.#gateway = gateway;
    this.#policies = policies;
    this.#options = options;
  }

  /** A slot for one sandbox, with an open network. */
  async take(signal: AbortSignal): Promise<Slot> {
    const pooled = this.#ready.shift();
    try {
      return pooled ?? (await this.#make(signal));
    } finally {
      this.refill();
    }
  }

  /** Notes the namespaces of an earlier server, so that their names are not given out again. */
  async findStrays(): Promise<void> {
    for (const name of await this.#existing()) this.#keepAsStray(name);
  }

  /** The slot belongs to a sandbox that outlived an earlier server. */
  adopt(name: string): void {
    this.#used.add(name);
    this.#stray.delete(name);
  }

  /** Names of namespaces that no sandbox has been found for, also of those that appeared late or could not be removed. */
  async strays(): Promise<string[]> {
    for (const name of await this.#existing()) if (!this.#used.has(name)) this.#keepAsStray(name);
    return [...this.#stray];
  }

  /** Throws the slot away; resolves when it is gone. */
  async release(name: string): Promise<void> {
    this.#discarded.add(name);
    while (this.#discarded.has(name)) await this.#swept();
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  /** Makes slots in the background until enough are ready. */
  refill(): void {
    if (this.#isClosed) return;
    const missing = this.#options.ready - this.#ready.length - this.#making.size;
    for (let count = 0; count < missing; count += 1) {
      const made = this.#make(AbortSignal.timeout(stepLimitMs))
        .then((slot) => this.#ready.push(slot), this.#options.onError)
        .finally(() => this.#making.delete(made));
      this.#making.add(made);
    }
  }

  /** Throws away what is kept ready, and makes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#making);
    await Promise.all(this.#ready.splice(0).map(({ name }) => this.release(name)));
  }

  #keepAsStray(name: string): void {
    this.#used.add(name);
    this.#stray.add(name);
  }

  async #make(signal: AbortSignal): Promise<Slot> {
    const { name, index } = this.#name();
    const address = this.#gateway.subnet.slotAddress(index);
    try {
      await this.#policies.fresh(name, this.#following(index));
      const script = slotScript(name, address, this.#gateway.mtu);
      // Never ended in the middle: what its programs were about to make would appear after it was looked for.
      const made = await this.#launcher.run(["sh", "-e"], { stdin: script, timeoutMs: stepLimitMs });
      signal.throwIfAborted();
      if (made.exitCode !== 0) throw new AtollError("internal", `cannot make a network slot: ${made.stderr.trim()}`);
      return { name, namespace: `${namespaces}/${name}`, address };
    } catch (error) {
      await this.release(name);
      throw error;
    }
  }

  /** Indexes go round, so that an address rests as long as possible before it is used again. */
  #name(): { name: string; index: number } {
    for (let tries = 0; tries < slotLimit; tries += 1) {
      const index = this.#next;
      this.#next = (this.#next + 1) % slotLimit;
      const name = `${slotPrefix}${index}`;
      if (this.#used.has(name)) continue;
      this.#used.add(name);
      return { name, index };
    }
    throw new AtollError("capacity", "cannot make another network slot: every address is in use");
  }

  /** So that the gateway's sets are changed once for many slots. */
  #following(index: number): string[] {
    const names = Array.from({ length: batch }, (_, step) => `${slotPrefix}${(index + 1 + step) % slotLimit}`);
    return names.filter((name) => !this.#used.has(name));
  }

  /** One sweep at a time; those who release meanwhile share the next one. */
  #swept(): Promise<void> {
    if (this.#sweeping === undefined)
      this.#sweeping = this.#sweep().finally(() => {
        this.#sweeping = undefined;
      });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const names = [...this.#discarded].slice(0, batch);
    const existing = new Set(await this.#existing());
    const doomed = names.filter((name) => existing.has(name));
    const script = doomed.map((name) => `netns delete ${name}\n`).join("");
    if (script !== "") {
      const result = await this.#launcher.run(["ip", "-force", "-batch", "-"], {
        stdin: script,
        signal: AbortSignal.timeout(stepLimitMs),
      });
      if (result.exitCode !== 0)
        this.#options.onError(new Error(`cannot remove network slots: ${result.stderr.trim()}`));
    }
    const left = new Set(doomed.length > 0 ? await this.#existing() : []);
    await this.#clean(names.filter((name) => !left.has(name)));
    for (const name of names) {
      this.#discarded.delete(name);
      if (left.has(name)) this.#keepAsStray(name);
      else this.#forget(name);
    }
  }

  /** Those that are gone leave nothing of their policies behind. When that fails, making the slot anew tries it again. */
  async #clean(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => this.#policies.remove(name))).catch(this.#options.onError);
  }

  #forget(name: string): void {
    this.#used.delete(name);
    this.#stray.delete(name);
  }

  async #existing(): Promise<string[]> {
    return (await readdir(namespaces)).filter((name) => name.startsWith(slotPrefix));
  }
}

/**
 * Ports below 1024 are open to everyone inside, and so is ping: the sandbox's root has no capability over a network namespace that belongs
 * to the host. IPv6 stays at loopback.
 */
function slotScript(name: string, address: string, mtu: number): string {
  return `ip netns add ${name}
${linkScript(name, address, mtu)}ip -n ${name} link set lo up
nsenter --net=${namespaces}/${name} sh -ec 'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start; echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range'
`;
}

function linkScript(name: string, address: string, mtu: number): string {
  return `ip -batch - <<END
link add ${name} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${name}
addr add ${gatewayAddress}/32 dev ${name}
link set ${name} addrgenmode none up
route add ${address}/32 dev ${name}
END
ip -n ${name} -batch - <<END
addr add ${address}/32 dev eth0
link set eth0 addrgenmode none up
route add default via ${gatewayAddress} dev eth0 onlink
END
`;
}
