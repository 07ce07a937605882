import type { SandboxCreateOptions } from "@atoll/sdk";
import { UsageError } from "./errors.ts";

type OutboundSecrets = NonNullable<SandboxCreateOptions["outboundSecrets"]>;

/** NAME=SECRET:HEADER: VALUE, such as api.example.com=openai:Authorization: Bearer {{API_KEY}}. Headers of one name go together. */
export function outboundSecrets(texts: readonly string[]): OutboundSecrets {
  const found = new Map<string, { domain: string; secret: string; headers: Record<string, string> }>();
  for (const given of texts) {
    const [, domain, secret, header, value] = /^([^=]+)=([^:]+):([^:]+): *(.+)$/.exec(given) ?? [];
    if (domain === undefined || secret === undefined || header === undefined || value === undefined)
      throw new UsageError(`cannot read ${JSON.stringify(given)}`, "Write it as 'NAME=SECRET:HEADER: Bearer {{KEY}}'.");
    const key = `${domain}=${secret}`;
    const { headers } = found.get(key) ?? { headers: {} };
    found.set(key, { domain, secret, headers: { ...headers, [header]: value } });
  }
  return [...found.values()];
}
