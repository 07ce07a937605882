/** Machines to talk to: listeners in network namespaces, with addresses that belong to nobody. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const turnMs = 300_000;
const listenerProgram = fileURLToPath(new URL("listener.ts", import.meta.url));

export interface Listener {
  readonly port: number;
  /** What it heard so far: protocol, address and text, in a line each. */
  readonly heard: readonly string[];
  stop(): Promise<void>;
}

/** Starts a listener below `prefix`, such as `nsenter --net=...`; on the host itself without one. */
export async function listen(prefix: readonly string[] = [], abstractName?: string): Promise<Listener> {
  const name = abstractName === undefined ? [] : [abstractName];
  const [program = "", ...argv] = [
    ...prefix,
    process.execPath,
    "--disable-warning=ExperimentalWarning",
    listenerProgram,
  ];
  const child = spawn(program, [...argv, ...name], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["0"])]);
  const heard: string[] = [];
  lines.on("line", (line) => heard.push(line));
  const port = Number(first[0]);
  if (port === 0) throw new Error("cannot start a listener");
  return { port, heard, stop: () => stop(child) };
}

/** The last byte of a /30 that no peer of a test that runs beside this one has. */
function freeBase(): number {
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((found) => (found ?? []).map(({ address }) => address)),
  );
  const bases = Array.from({ length: 63 }, (_, step) => 4 * ((process.pid + step) % 63));
  const free = bases.find((base) => !taken.has(`198.51.100.${base + 1}`));
  if (free === undefined) throw new Error("cannot open another peer: 63 are there");
  return free;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

export interface Peer extends Listener {
  /** Its address, of a range that documentation is written with (RFC 5737). */
  readonly address: string;
  /** The host's end of the link to it. */
  readonly link: string;
  /** Its name for ip-netns(8). */
  readonly namespace: string;
  /** The host's address towards it. */
  readonly hostAddress: string;
}

/** A machine behind the host: reached by whatever the host forwards. `also` are further addresses that it answers to. */
export async function openPeer(also: readonly string[] = []): Promise<Peer> {
  const name = `atoll-peer-${process.pid}`;
  const link = `peer${process.pid}`;
  const base = freeBase();
  const [hostAddress, address] = [`198.51.100.${base + 1}`, `198.51.100.${base + 2}`];
  const ip = (...argv: string[]) => execFileSync("ip", argv, { stdio: ["ignore", "pipe", "pipe"] });
  // A namespace goes away some time after its name, and would take the link and the host's routes along only then.
  const remove = () => {
    spawnSync("ip", ["link", "delete", link]);
    ip("netns", "delete", name);
  };
  ip("netns", "add", name);
  try {
    ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("addr", "add", `${hostAddress}/30`, "dev", link);
    ip("link", "set", link, "up");
    ip("-n", name, "addr", "add", `${address}/30`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");
    ip("-n", name, "link", "set", "lo", "up");
    ip("-n", name, "route", "add", "default", "via", hostAddress);
    for (const other of also) {
      ip("-n", name, "addr", "add", `${other}/32`, "dev", "lo");
      await inTurn(() => ip("route", "add", `${other}/32`, "via", address, "dev", link));
    }
    const listener = await listen(["ip", "netns", "exec", name]);
    const close = async () => {
      await listener.stop();
      remove();
    };
    return { ...listener, link, namespace: name, address, hostAddress, stop: close };
  } catch (error) {
    remove();
    throw error;
  }
}

/** The host has one route to an address; tests of another checkout that use it now are waited for. */
async function inTurn(addRoute: () => unknown): Promise<void> {
  for (const deadline = Date.now() + turnMs; ; await sleep(500)) {
    try {
      addRoute();
      return;
    } catch (error) {
      if (!`${error}`.includes("File exists") || Date.now() > deadline) throw error;
    }
  }
}
