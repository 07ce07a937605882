/** Why a sandbox is not let to a destination, in words for whoever reads the page or the log. */
export class Refused extends Error {
  override readonly name = "Refused";
  /** Of HTTP. */
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint: string) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export const refusals = {
  notAllowed: (name: string) =>
    new Refused(
      403,
      `cannot reach ${name}: it is not in the sandbox's outboundDomainAllowlist`,
      "Add it with updateNetworkPolicy or `atoll network --allow-domain`.",
    ),
  noName: (text: string) =>
    new Refused(
      403,
      `cannot reach ${text || "a server without a name"}: only names are allowed`,
      "Use the name of the server; ranges of addresses go into outboundCidrAllowlist.",
    ),
  forbidden: (name: string) =>
    new Refused(
      403,
      `cannot reach ${name}: its addresses are private, or of the machine's own networks`,
      "Add the range to outboundCidrAllowlist if it is private and meant to be reached.",
    ),
  unknown: (name: string) => new Refused(502, `cannot reach ${name}: it has no IPv4 address`, "Correct the name."),
  unresolved: (name: string) =>
    new Refused(502, `cannot reach ${name}: the name servers do not answer`, "Try again; see ATOLL_NAME_SERVERS."),
  unreachable: (name: string, port: number) =>
    new Refused(502, `cannot reach ${name}: nothing answers on port ${port}`, "Try again, or correct the port."),
  hidden: (why: string) =>
    new Refused(403, `cannot let a TLS connection out: ${why}`, "The server name (SNI) must be sent, and readable."),
  otherName: (name: string, other: string) =>
    new Refused(403, `cannot reach ${other} through a connection to ${name}`, "Open a connection for each name."),
  untrusted: (name: string, why: string) =>
    new Refused(
      502,
      `cannot trust ${name}: ${why}`,
      "Authorities of one's own are added with NODE_EXTRA_CA_CERTS of the server.",
    ),
  secretGone: (secret: string) =>
    new Refused(
      502,
      `cannot put the secret ${JSON.stringify(secret)} into the request: it is not there any more, or lacks a key`,
      "Set the secret again, and then the sandbox's network policy.",
    ),
  traced: new Refused(405, "cannot pass TRACE on: its answer would show the secret", "Use another method."),
  malformed: new Refused(
    400,
    "cannot understand the request",
    "Send one Host header, or an absolute URL to the proxy.",
  ),
  notHere: new Refused(405, "cannot tunnel on this port", "The proxy for CONNECT is at http://169.254.1.1:3128."),
} as const;
