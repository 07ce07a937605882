/** A secret in the headers of requests to one name, as the egress program has it. */
export interface HeaderRule {
  /** As hostName gives it. */
  readonly domain: string;
  /** Name or id of the secret, for the log. */
  readonly secret: string;
  /** In lower case, with their values; undefined when the secret is not there any more. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** For the name, in PEM, from an authority that only this sandbox trusts. */
  readonly certificate: string;
  readonly key: string;
}
