/** What a sandbox may reach, in words. Pure. */
import type { SandboxInfo } from "@atoll/sdk";

export function describePolicy({ blockNetwork, outboundCidrAllowlist: ranges }: SandboxInfo): string {
  if (blockNetwork) return "loopback only";
  if (ranges === undefined) return "open";
  return ranges.length === 0 ? "nothing outside" : `only ${ranges.join(" ")}`;
}
