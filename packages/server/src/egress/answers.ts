/** What a sandbox's questions for names are answered: each source of names is asked in turn, and what none of them knows does not exist. */
import { egressPorts } from "../network/rules.ts";
import type { Client, Clients } from "./clients.ts";
import { type Answer, classIn, codes, typeA } from "./dns-message.ts";
import type { Forbidden } from "./forbidden.ts";
import type { Journal } from "./journal.ts";
import type { Lookup } from "./lookup.ts";
import { refusals } from "./refused.ts";

export interface Question {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** All of it, for one who passes it on. */
  readonly message: Buffer;
  readonly protocol: "udp" | "tcp";
}

/** @returns an answer, or all the bytes of one; undefined for a name that this source does not know of */
export type Source = (client: Client, question: Question) => Promise<Answer | Buffer | undefined> | undefined;

/** Not a refusal: that would have programs ask again and wait, or ask another server, which is this one too. */
const noSuchName: Answer = { code: codes.noSuchName };

export function answers(
  clients: Clients,
  sources: readonly Source[],
  journal: Journal,
): (address: string, question: Question) => Promise<Answer | Buffer> {
  return async (address, question) => {
    const client = clients.get(address);
    if (!client || question.class !== classIn) return { code: codes.refused };
    for (const source of sources) {
      const answer = await source(client, question);
      if (answer) return answer;
    }
    const { name } = question;
    const refusal = refusals.notAllowed(name).message;
    journal.happened(address, { name, port: egressPorts.names, protocol: "dns", refusal });
    return noSuchName;
  };
}

/**
 * Names that the sandbox may reach, with those of their addresses that it may. Nothing but addresses is answered: other records could carry keys that
 * hide the server name.
 */
export function allowedNames(lookup: Lookup, forbidden: Forbidden): Source {
  return (client, question) => {
    if (client.domains.patternFor(question.name) === undefined) return undefined;
    return addressesOf(client, question);
  };

  async function addressesOf(client: Client, { name, type }: Question): Promise<Answer> {
    const found = await lookup(name);
    if (found.state === "missing") return noSuchName;
    if (found.state === "failed") return { code: codes.failed };
    if (type !== typeA || !("addresses" in found)) return { code: codes.ok };
    const addresses = found.addresses.filter((address) => !forbidden.isForbidden(address, client.ranges));
    return addresses.length === 0 ? noSuchName : { code: codes.ok, addresses, ttlSeconds: found.ttlSeconds };
  }
}
