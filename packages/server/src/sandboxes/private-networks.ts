/** Private networks are what their members say: there is one for as long as a sandbox names it. Pure. */
import type { PrivateNetwork, SandboxCreate } from "@atoll/protocol";
import type { Membership } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import type { SandboxRow } from "../store/rows.ts";

const hostName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/**
 * @param others that are not finished
 * @throws AtollError invalid_argument, conflict
 */
export function checkMemberName(
  { app, network, name }: { readonly app: string; readonly network: string; readonly name: string },
  others: readonly SandboxRow[],
): void {
  if (!hostName.test(name) || name.toLowerCase() === "localhost")
    throw new AtollError(
      "invalid_argument",
      `cannot name a sandbox of the network "${network}" "${name}": it is no host name`,
      "Use letters, digits and '-', at most 63.",
    );
  const other = membersOf(app, network, others).find((row) => row.name?.toLowerCase() === name.toLowerCase());
  if (other)
    throw new AtollError(
      "conflict",
      `cannot name a sandbox of the network "${network}" "${name}": ${other.id} has the name "${other.name}" there`,
      "Host names do not tell capital letters: choose another name.",
    );
}

/**
 * The network that a new sandbox joins, or begins.
 * @param present all whose slots may still be in use
 * @param sequence of the new one, which numbers the network that it begins
 */
export function networkOf(
  { app = "default", network: name }: SandboxCreate,
  present: readonly SandboxRow[],
  sequence: number,
): SandboxRow["spec"]["network"] {
  if (name === undefined) return undefined;
  return membersOf(app, name, present)[0]?.spec.network ?? { name, number: sequence };
}

/** What the engine is told of it. */
export function membershipOf({ spec, name }: SandboxRow): Membership | undefined {
  return spec.network && { network: spec.network.name, number: spec.network.number, name };
}

export function privateNetworks(running: readonly SandboxRow[], app: string | undefined): PrivateNetwork[] {
  const members = running.filter((row) => row.spec.network && (app === undefined || row.app === app));
  const byNetwork = Map.groupBy(members, (row) => row.spec.network?.number);
  return [...byNetwork.values()]
    .map((rows) => ({
      app: rows[0]?.app ?? "",
      name: rows[0]?.spec.network?.name ?? "",
      members: rows.map(({ id, name, holder }) => ({
        sandboxId: id,
        ...(name !== undefined && { name }),
        ...(holder?.address !== undefined && { address: holder.address }),
      })),
    }))
    .sort((a, b) => compare(a.app, b.app) || compare(a.name, b.name));
}

function membersOf(app: string, network: string, rows: readonly SandboxRow[]): SandboxRow[] {
  return rows.filter((row) => row.app === app && row.spec.network?.name === network);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
