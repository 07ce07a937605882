/** Which ports a sandbox may open, decided before anything is made for it: pure. */
import { isIP } from "node:net";
import type { SandboxCreate } from "@atoll/protocol";
import { AtollError } from "../error.ts";

const lists = ["encryptedPorts", "h2Ports", "unencryptedPorts"] as const;

/** @throws AtollError invalid_argument that names the port or the range */
export function checkPorts(request: SandboxCreate): void {
  const seen = new Map<number, string>();
  for (const list of lists) for (const port of request[list] ?? []) checkPort(port, list, seen);
  const [first] = seen;
  if (first && request.blockNetwork)
    throw refused(`open port ${first[0]} of ${first[1]}`, "blockNetwork is set", "Leave one of the two out.");
  for (const range of request.inboundCidrAllowlist ?? []) checkRange(range);
}

function checkPort(port: number, list: string, seen: Map<number, string>): void {
  const other = seen.get(port);
  if (other !== undefined) {
    const where = other === list ? `twice in ${list}` : `in ${other} already`;
    throw refused(`open port ${port} of ${list}`, `it is ${where}`, "Name each port once.");
  }
  seen.set(port, list);
}

function checkRange(range: string): void {
  const match = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(range);
  const family = isIP(match?.[1] ?? "");
  const bits = family === 6 ? 128 : 32;
  if (family !== 0 && Number(match?.[2] ?? bits) <= bits) return;
  const hint = "Write it as 192.168.1.0/24, 2001:db8::/32, or one address.";
  throw refused(`use ${JSON.stringify(range)} in inboundCidrAllowlist`, "it is not a range of addresses", hint);
}

function refused(what: string, why: string, hint: string): AtollError {
  return new AtollError("invalid_argument", `cannot ${what}: ${why}`, hint);
}
