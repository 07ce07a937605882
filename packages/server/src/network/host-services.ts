/** Services of the machine that open sandboxes may use, although they never reach the machine otherwise: pure. */
import { isIPv4 } from "node:net";

/** As the server's configuration names it. */
export interface HostService {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** With the address that sandboxes reach it at. */
export interface OfferedService extends HostService {
  readonly offeredAt: string;
}

const mostServices = 64;
/** Of the addresses that no slot has. */
const firstOffered = 16;

/**
 * @param text `NAME=ADDRESS:PORT`, several of them with commas between
 * @throws Error that names the item
 */
export function hostServices(text: string): HostService[] {
  const services = text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .map(hostService);
  const twice = services.find(({ name }, at) => services.findIndex((each) => each.name === name) !== at);
  if (twice) throw new Error(`cannot use ATOLL_HOST_SERVICES: it names ${twice.name} twice`);
  if (services.length > mostServices)
    throw new Error(`cannot use ATOLL_HOST_SERVICES: it names more than ${mostServices} services`);
  return services;
}

function hostService(item: string): HostService {
  const match = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)=([0-9.]+):([1-9]\d{0,4})$/.exec(item);
  const [, name = "", address = "", port = ""] = match ?? [];
  if (match && isIPv4(address) && Number(port) <= 65_535) return { name, address, port: Number(port) };
  throw new Error(
    `cannot use ATOLL_HOST_SERVICES: ${item} is none; write it as registry=127.0.0.1:5000, with commas between several`,
  );
}

/** @param reserved the address of that number among those that no slot has */
export function offered(services: readonly HostService[], reserved: (number: number) => string): OfferedService[] {
  return services.map((service, index) => ({ ...service, offeredAt: reserved(firstOffered + index) }));
}

/** Lines for the hosts file of a sandbox. */
export function hostsLines(services: readonly OfferedService[]): string[] {
  return services.map(({ name, offeredAt }) => `${offeredAt} ${name}.host.internal`);
}
