/** The calls that the official npm client knows, by service, as its own code names them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../support/server.ts";

export interface KnownCall {
  readonly service: string;
  readonly name: string;
}

export function knownCalls(): KnownCall[] {
  const text = readFileSync(join(checkout, "node_modules/modal/dist/index.js"), "utf8");
  const services = [...text.matchAll(/fullName: "(modal\.[\w.]+)"/g)];
  const calls = [...text.matchAll(/name: "(\w+)",\s*requestType:/g)];
  return calls.map((call) => {
    const [, service = ""] = services.findLast(({ index }) => index < call.index) ?? [];
    return { service, name: call[1] ?? "" };
  });
}
