/** A sandbox as people name it: by id, by the beginning of its id, or by name. */
import type { Client } from "@atoll/sdk";
import { CliError } from "./errors.ts";

const wholeId = /^sb-[0-9A-Za-z]{22}$/;
/** Most sandboxes looked through for a beginning of an id; the newest come first. */
const mostLookedAt = 10_000;

interface Candidate {
  readonly id: string;
  readonly name?: string | undefined;
  readonly state: string;
  readonly app: string;
}

export async function findSandboxId(client: Client, given: string, signal: AbortSignal): Promise<string> {
  if (wholeId.test(given)) return given;
  return chooseSandbox(given, await allSandboxes(client, signal));
}

/** Pure: a name that is in use wins over names of finished sandboxes, and a name over the beginning of an id. */
export function chooseSandbox(given: string, newestFirst: readonly Candidate[]): string {
  const named = newestFirst.filter(({ name }) => name === given);
  const running = named.filter(({ state }) => state !== "finished");
  if (running.length > 1) throw ambiguous(given, running, "sandboxes have that name, in different apps");
  const byName = running[0] ?? named[0];
  if (byName) return byName.id;
  const begun = newestFirst.filter(({ id }) => id.startsWith(given) || id.startsWith(`sb-${given}`));
  if (begun.length > 1) throw ambiguous(given, begun, "sandboxes have an id that begins so");
  if (begun[0]) return begun[0].id;
  throw new CliError(
    "not_found",
    `cannot find the sandbox ${JSON.stringify(given)}`,
    "Give an id, the beginning of one, or a name; atoll ls --all lists them.",
  );
}

function ambiguous(given: string, found: readonly Candidate[], why: string): CliError {
  const ids = found.slice(0, 5).map(({ id, app }) => `${id} (app ${app})`);
  return new CliError(
    "ambiguous",
    `cannot tell which sandbox ${JSON.stringify(given)} is: ${found.length} ${why}`,
    `Give more of the id: ${ids.join(", ")}${found.length > 5 ? ", ..." : ""}.`,
  );
}

async function allSandboxes(client: Client, signal: AbortSignal): Promise<Candidate[]> {
  const found: Candidate[] = [];
  let cursor: string | undefined;
  do {
    const query = { all: true, limit: 1000, cursor };
    const page = await client.request("listSandboxes", { query, signal });
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor && found.length < mostLookedAt);
  return found;
}
