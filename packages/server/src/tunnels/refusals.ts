/** Why the gateway lets somebody not through, in the words of the answer. */
import type { Refusal } from "./refusal.ts";

export const unknown: Refusal = {
  status: 404,
  message: "cannot find this tunnel",
  hint: "Its sandbox may have ended. Ask for its present address with sandbox.tunnels().",
};

export const blocked: Refusal = {
  status: 403,
  message: "cannot let anybody into this sandbox: its network is blocked",
  hint: "Let it out again with updateNetworkPolicy.",
};

export function notAllowed(address: string): Refusal {
  const hint = "Add it to the sandbox's inboundCidrAllowlist.";
  return { status: 403, message: `cannot let ${address} into this sandbox`, hint };
}

export function nothingListens(port: number, isEncrypted: boolean): Refusal {
  const hint = isEncrypted
    ? "This page tries again by itself; the service must listen on 0.0.0.0."
    : "Try again in a moment.";
  return {
    status: 502,
    message: `cannot reach port ${port}: nothing listens on it in the sandbox`,
    hint,
    isPassing: true,
  };
}

export function full(of: "this server" | "this sandbox", limit: number): Refusal {
  const variable = of === "this server" ? "ATOLL_TUNNEL_CONNECTIONS" : "ATOLL_TUNNEL_SANDBOX_CONNECTIONS";
  return {
    status: 503,
    message: `cannot open another connection through the tunnels of ${of}: ${limit} are open, which is the limit`,
    hint: `Close some, or have the server's ${variable} raised.`,
    isPassing: true,
  };
}
