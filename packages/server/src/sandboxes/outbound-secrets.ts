/**
 * Secrets that sandboxes use and never have: they are put into the headers of requests on the way out. TLS to these names ends in the egress
 * program, which the sandbox trusts for them alone, by an authority of its own.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import type { OutboundSecret, SandboxCreate } from "@atoll/protocol";
import { Authority } from "../certificates/authority.ts";
import type { BindMount } from "../engine/engine.ts";
import { AtollError } from "../error.ts";
import { Domains, domainPattern, hostName } from "../network/domains.ts";
import type { HeaderRule } from "../network/header-rule.ts";
import type { Environment, Secrets } from "../secrets/secrets.ts";

/** Where a sandbox finds the authorities to trust: the usual ones, and its own. */
export const bundlePath = "/run/atoll/ca-certificates.pem";
/** Variables by which programs are told of it: OpenSSL and Python, curl, Requests, Node, git, pip, AWS, Deno, Cargo. */
const bundleVariables = [
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "NODE_EXTRA_CA_CERTS",
  "GIT_SSL_CAINFO",
  "PIP_CERT",
  "AWS_CA_BUNDLE",
  "DENO_CERT",
  "CARGO_HTTP_CAINFO",
];
/** Of the connection rather than of the request. */
const unusable = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "expect",
]);
const placeholder = /\{\{([^{}]*)\}\}/g;

export class OutboundSecrets {
  readonly #secrets: Secrets;
  /** Holds a directory for each sandbox that has any. */
  readonly #directory: string;

  constructor(secrets: Secrets, directory: string) {
    this.#secrets = secrets;
    this.#directory = directory;
  }

  /** @throws AtollError invalid_argument that names the item, not_found for a secret */
  check({ outboundSecrets = [], outboundDomainAllowlist = [] }: SandboxCreate): void {
    const allowed = new Domains(outboundDomainAllowlist.flatMap((domain) => domainPattern(domain) ?? []));
    const seen = new Set<string>();
    for (const { domain, headers, secret } of outboundSecrets) {
      const name = hostName(domain);
      if (name === undefined) throw wrong(`invalid domain: ${domain}`, "Write one name, such as api.example.com.");
      if (allowed.patternFor(name) === undefined)
        throw wrong(`${domain} is not in outboundDomainAllowlist`, "Allow the name, or leave its secret out.");
      if (seen.has(name)) throw wrong(`${domain} is there twice`, "Name all headers of a domain in one entry.");
      seen.add(name);
      for (const header of Object.keys(headers))
        if (unusable.has(header.toLowerCase()))
          throw wrong(`the header ${header} cannot be set`, "Use another header.");
      filled({ headers, secret }, this.#secrets.environment([secret]));
    }
  }

  /** What a sandbox that has any is told of its authority. */
  environment(wanted: readonly OutboundSecret[]): Environment {
    return wanted.length === 0 ? {} : Object.fromEntries(bundleVariables.map((name) => [name, bundlePath]));
  }

  mounts(sandboxId: string, wanted: readonly OutboundSecret[]): BindMount[] {
    if (wanted.length === 0) return [];
    const hostPath = join(this.#directory, sandboxId, "bundle.pem");
    const { certificate } = this.#authority(sandboxId, wanted);
    writeFileSync(hostPath, [...rootCertificates, certificate].join("\n"), { mode: 0o644 });
    return [{ hostPath, path: bundlePath, readOnly: true }];
  }

  /** With the values that the secrets have now. */
  rules(sandboxId: string, wanted: readonly OutboundSecret[]): HeaderRule[] {
    if (wanted.length === 0) return [];
    const authority = this.#authority(sandboxId, wanted);
    return wanted.map(({ domain, secret, headers }) => {
      const name = nameOf(domain);
      return { domain: name, secret, headers: this.#filled({ headers, secret }), ...authority.leaf(name) };
    });
  }

  remove(sandboxId: string): void {
    rmSync(join(this.#directory, sandboxId), { recursive: true, force: true });
  }

  /** A secret that was deleted, or lost a key, since the sandbox was made is used no more. */
  #filled(wanted: Pick<OutboundSecret, "headers" | "secret">): Record<string, string> | undefined {
    try {
      return filled(wanted, this.#secrets.environment([wanted.secret]));
    } catch (error) {
      if (error instanceof AtollError) return undefined;
      throw error;
    }
  }

  #authority(sandboxId: string, wanted: readonly OutboundSecret[]): Authority {
    const directory = join(this.#directory, sandboxId);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return Authority.in(directory, {
      commonName: `Atoll, for secrets of ${sandboxId}`,
      permitted: wanted.map(({ domain }) => nameOf(domain)),
    });
  }
}

function nameOf(domain: string): string {
  return hostName(domain) ?? domain;
}

/** @throws AtollError invalid_argument for a header without a key of the secret in it */
function filled({ headers, secret }: Pick<OutboundSecret, "headers" | "secret">, values: Environment) {
  const entries = Object.entries(headers).map(([name, template]) => {
    const keys = [...template.matchAll(placeholder)].map(([, key = ""]) => key);
    const missing = keys.find((key) => values[key] === undefined);
    if (keys.length === 0 || missing !== undefined)
      throw wrong(
        missing === undefined
          ? `the header ${name} has nothing of the secret in it`
          : `the secret ${JSON.stringify(secret)} has no ${missing}`,
        "Write keys of the secret as {{KEY}}, such as Bearer {{API_KEY}}.",
      );
    const value = template.replace(placeholder, (_whole, key: string) => values[key] ?? "");
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw wrong(`the header ${name} would hold characters that no header has`, "Correct the secret.");
    return [name.toLowerCase(), value] as const;
  });
  return Object.fromEntries(entries);
}

function wrong(what: string, hint: string): AtollError {
  return new AtollError("invalid_argument", `cannot use outboundSecrets: ${what}`, hint);
}
