/** What a sandbox may reach, in words. Pure. */
import type { SandboxInfo } from "@atoll/sdk";

export function describePolicy(policy: SandboxInfo): string {
  const { blockNetwork, outboundCidrAllowlist: ranges, outboundDomainAllowlist: domains } = policy;
  if (blockNetwork) return "loopback only";
  if (ranges === undefined && domains === undefined) return "open";
  const listed = [...(ranges ?? []), ...(domains ?? [])];
  return listed.length === 0 ? "nothing outside" : `only ${listed.join(" ")}`;
}
