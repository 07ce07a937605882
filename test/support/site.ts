/** Somebody else's machine with a name server and web servers, in a network namespace of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { certificateFor, newKey } from "../../packages/server/src/certificates/certificate.ts";
import { openPeer } from "./peer.ts";

const program = fileURLToPath(new URL("site-program.ts", import.meta.url));
const dayMs = 24 * 3_600_000;

export interface Heard {
  readonly dns?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly servername?: string;
  /** The address that it was reached at. */
  readonly at?: string;
}

export interface Site {
  /** Where its name server and one of its web servers are. */
  readonly address: string;
  readonly hostAddress: string;
  /** What its TLS servers' certificates are signed by, in PEM. */
  readonly authority: string;
  /** What it heard so far. */
  readonly heard: readonly Heard[];
  stop(): Promise<void>;
}

/**
 * @param names what the name server answers: a list of addresses for each question in turn, the last one from then on
 * @param also further addresses that it answers at
 */
export async function openSite(
  names: (address: string, hostAddress: string) => Readonly<Record<string, readonly (readonly string[])[]>>,
  also: readonly string[] = [],
): Promise<Site> {
  const peer = await openPeer(also);
  const authority = rootAuthority();
  const argument = JSON.stringify({ authority, names: names(peer.address, peer.hostAddress) });
  const argv = [
    "netns",
    "exec",
    peer.namespace,
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    program,
    argument,
  ];
  const child = spawn("ip", argv, { stdio: ["ignore", "pipe", "inherit"] });
  const heard: Heard[] = [];
  const lines = createInterface({ input: child.stdout });
  const stop = async () => {
    await end(child);
    await peer.stop();
  };
  const first = await Promise.race([once(lines, "line"), once(child, "exit").then(() => undefined)]);
  if (first === undefined) {
    await stop();
    throw new Error("cannot start the site");
  }
  lines.on("line", (line) => heard.push(JSON.parse(line)));
  return {
    address: peer.address,
    hostAddress: peer.hostAddress,
    authority: authority.certificate,
    heard,
    stop,
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

function rootAuthority(): { readonly certificate: string; readonly key: string } {
  const key = newKey();
  const [notBefore, notAfter] = [new Date(Date.now() - dayMs), new Date(Date.now() + dayMs)];
  const certificate = certificateFor({ commonName: "Site", key, notBefore, notAfter, use: { permitted: undefined } });
  return { certificate, key };
}

/** Waits for the site to hear of something. */
export async function untilHeard(site: Site, isIt: (heard: Heard) => boolean): Promise<Heard> {
  const limit = AbortSignal.timeout(30_000);
  for (;;) {
    const found = site.heard.find(isIt);
    if (found) return found;
    await sleep(20, undefined, { signal: limit });
  }
}
