/**
 * The network namespace between the host and all sandboxes, in which the launcher lives. The host sees one link, one route and one
 * small table; everything that exists for each sandbox is in here and vanishes with the launcher.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { AtollError } from "../error.ts";
import type { Launcher } from "../launcher/client.ts";
import { type HostService, type OfferedService, offered } from "./host-services.ts";
import { hostResolver, type Resolver } from "./resolver.ts";
import { gatewayRules, hostRules } from "./rules.ts";
import { freeSubnet, type Subnet, subnet } from "./subnet.ts";

export const slotPrefix = "slot";
const uplink = "uplink";
const stepLimitMs = 10_000;

export interface Gateway {
  readonly subnet: Subnet;
  readonly resolver: Resolver;
  readonly services: readonly OfferedService[];
  /** Largest packet the way out takes, in bytes. */
  readonly mtu: number;
  /** Takes the host's side away again. */
  close(signal: AbortSignal): Promise<void>;
}

export interface GatewayOptions {
  /** The /16 to use; one that no route of the host touches, and no name server is in, when undefined. */
  readonly subnet: string | undefined;
  /** Used instead of the host's. */
  readonly nameServers: readonly string[];
  readonly hostServices: readonly HostService[];
}

/**
 * Makes the gateway, or finds the one of an earlier server with the same launcher.
 * @param instance eight characters that tell this server from others on the machine
 */
export async function openGateway(
  launcher: Launcher,
  instance: string,
  { subnet: wanted, nameServers, hostServices }: GatewayOptions,
  signal: AbortSignal,
): Promise<Gateway> {
  const link = `atoll${instance}`;
  const table = `atoll_${instance}`;
  const host = program(launcher, true, signal);
  const gateway = program(launcher, false, signal);
  const existing = await addressOf(host, link);
  const resolver = await hostResolver(nameServers);
  const chosen = subnet(existing ?? wanted ?? (await freeSubnetOf(host, instance, resolver.nameServers)));
  const mtu = await uplinkMtu(host);
  if (existing === undefined || !(await hasWayOut(gateway))) {
    await disconnect(host, link);
    await connect(host, gateway, { link, launcherPid: launcher.pid, chosen, mtu });
  }
  const services = offered(hostServices, chosen.reservedAddress);
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  // So that what is led to a service on the host's loopback arrives, and its answers leave; the host's rules refuse everything else.
  const onLoopback = services.some(({ address }) => address.startsWith("127."));
  await writeFile(`/proc/sys/net/ipv4/conf/${link}/route_localnet`, onLoopback ? "1" : "0");
  await gateway([
    "sh",
    "-ec",
    "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter; " +
      // The gateway speaks no IPv6 at all, so none is passed on, whatever a sandbox sends.
      "cd /proc/sys/net/ipv6/conf 2>/dev/null || exit 0; for each in all default; do echo 1 > $each/disable_ipv6; done",
  ]);
  await removeStaleTables(host);
  await host(["nft", "-f", "-"], hostRules({ table, link, subnet: chosen.cidr, services }));
  await loadRules(
    launcher,
    gatewayRules({
      slotPrefix,
      uplink,
      hostAddress: chosen.hostAddress,
      subnet: chosen.cidr,
      nameServers: resolver.nameServers,
      services,
    }),
    signal,
  );
  return {
    subnet: chosen,
    resolver,
    services,
    mtu,
    close: async (ending) => {
      const act = program(launcher, true, ending);
      await act(["nft", "delete", "table", "inet", table]);
      await act(["ip", "link", "delete", link]);
    },
  };
}

/**
 * Rules are replaced only by others: those that are there hold the policies of sandboxes that outlived an earlier daemon. A chain without rules is
 * named after what was loaded.
 */
async function loadRules(launcher: Launcher, rules: string, signal: AbortSignal): Promise<void> {
  const mark = `rules_${createHash("sha256").update(rules).digest("hex").slice(0, 16)}`;
  const options = { signal, timeoutMs: stepLimitMs };
  const present = await launcher.run(["nft", "list", "chain", "inet", "atoll", mark], options);
  if (present.exitCode === 0) return;
  await program(launcher, false, signal)(["nft", "-f", "-"], `${rules}add chain inet atoll ${mark}\n`);
}

type Program = (argv: readonly string[], stdin?: string) => Promise<string>;

function program(launcher: Launcher, inHostNetwork: boolean, signal: AbortSignal): Program {
  return async (argv, stdin = "") => {
    const result = await launcher.run(argv, { inHostNetwork, stdin, signal, timeoutMs: stepLimitMs });
    if (result.exitCode === 0) return result.stdout;
    throw new AtollError("internal", `cannot set up the network: ${argv.join(" ")}: ${result.stderr.trim()}`);
  };
}

async function connect(
  host: Program,
  gateway: Program,
  { link, launcherPid, chosen, mtu }: { link: string; launcherPid: number; chosen: Subnet; mtu: number },
): Promise<void> {
  await host(
    ["ip", "-batch", "-"],
    `link add ${link} mtu ${mtu} type veth peer name ${uplink} mtu ${mtu} netns ${launcherPid}
addr add ${chosen.hostAddress}/30 dev ${link}
link set ${link} addrgenmode none up
route add ${chosen.cidr} via ${chosen.gatewayUplink} dev ${link}
`,
  );
  await gateway(
    ["ip", "-batch", "-"],
    `addr add ${chosen.gatewayUplink}/30 dev ${uplink}
link set ${uplink} addrgenmode none up
route add default via ${chosen.hostAddress} dev ${uplink}
`,
  );
}

/**
 * False when the link leads to the gateway of a launcher that is gone and whose sandboxes still hold its namespace, or when an earlier
 * server was ended between the two halves of `connect`.
 */
async function hasWayOut(gateway: Program): Promise<boolean> {
  const routes: Route[] = JSON.parse((await gateway(["ip", "-json", "-4", "route", "show", "default"])) || "[]");
  return routes.some(({ dev }) => dev === uplink);
}

async function disconnect(host: Program, link: string): Promise<void> {
  const links: { readonly ifname: string }[] = JSON.parse(await host(["ip", "-json", "link", "show"]));
  if (links.some(({ ifname }) => ifname === link)) await host(["ip", "link", "delete", link]);
}

/**
 * A server that was killed together with its launcher leaves its table on the host, though its link has gone. Tables whose link exists belong to
 * servers that run: each makes its link first.
 */
async function removeStaleTables(host: Program): Promise<void> {
  const listed: { nftables: { table?: { name: string } }[] } = JSON.parse(
    await host(["nft", "--json", "list", "tables"]),
  );
  const instances = listed.nftables.flatMap(({ table }) => /^atoll_([0-9a-f]{8})$/.exec(table?.name ?? "")?.[1] ?? []);
  const links: { ifname: string }[] = JSON.parse((await host(["ip", "-json", "link", "show", "type", "veth"])) || "[]");
  const stale = instances.filter((instance) => !links.some(({ ifname }) => ifname === `atoll${instance}`));
  // Another server that starts at this moment may have removed one already, which takes nothing from the result.
  if (stale.length > 0)
    await host(["sh", "-c", stale.map((name) => `nft delete table inet atoll_${name} || true`).join("; ")]);
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
}

/** The /16 that an existing link of this server routes, if there is one. */
async function addressOf(host: Program, link: string): Promise<string | undefined> {
  const routes: Route[] = JSON.parse(await host(["ip", "-json", "-4", "route", "show"]));
  return routes.find(({ dev, dst }) => dev === link && dst.endsWith("/16"))?.dst;
}

/** @param inUse addresses that the machine reaches by its default route, and would not reach any more */
async function freeSubnetOf(host: Program, instance: string, inUse: readonly string[]): Promise<string> {
  const routes: Route[] = JSON.parse((await host(["ip", "-json", "-4", "route", "show", "table", "all"])) || "[]");
  const routed = routes.map(({ dst }) => dst).filter((dst) => dst !== "default");
  const free = freeSubnet(Number.parseInt(instance, 16), [...routed, ...inUse]);
  if (free) return free;
  throw new AtollError(
    "internal",
    "cannot find a free network for sandboxes",
    "Set ATOLL_SUBNET to a /16 that this machine does not use.",
  );
}

async function uplinkMtu(host: Program): Promise<number> {
  const routes: Route[] = JSON.parse(await host(["ip", "-json", "-4", "route", "show", "default"]));
  const device = routes[0]?.dev;
  return device === undefined ? 1500 : Number(await readFile(`/sys/class/net/${device}/mtu`, "utf8"));
}
