/** Services in sandboxes, and attempts of other sandboxes to reach them. */
import type { Sandbox } from "@atoll/sdk";
import { python } from "./isolation.ts";

/** One that the proxy for names would take, were the way to a member through it. */
export const servicePort = 80;

/** Answers what it is sent over TCP and UDP on all addresses, and prints where datagrams came from. */
const service = `
import socket, threading
tcp = socket.create_server(("0.0.0.0", ${servicePort}))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", ${servicePort}))
def datagrams():
    while True:
        data, peer = udp.recvfrom(64)
        print(peer[0], flush=True)
        udp.sendto(b"!", peer)
def answer(peer):
    while True:
        try:
            if not peer.recv(64): return
            peer.sendall(b"!")
        except OSError: return
threading.Thread(target=datagrams, daemon=True).start()
print("listening", flush=True)
while True: threading.Thread(target=answer, args=(tcp.accept()[0],), daemon=True).start()
`;

const attempts = `
import socket, sys
def tcp(host, port):
    with socket.create_connection((host, port), 20) as peer:
        peer.sendall(b"x"); return peer.recv(1)
def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5); peer.connect((host, port)); peer.send(b"x"); return peer.recv(1)
def icmp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as peer:
        peer.settimeout(5); peer.connect((host, 0)); peer.send(bytes([8, 0, 0, 0, 0, 0, 0, 1]))
        return b"!" if peer.recv(64)[-8] == 0 else b""
def attempt(protocol, host, port):
    try: return "reached" if protocol(host, int(port)) == b"!" else "refused"
    except OSError: return "refused"
`;

export interface Service {
  /** Addresses that datagrams came from so far. */
  readonly heard: readonly string[];
}

export async function serve(sandbox: Sandbox): Promise<Service> {
  const process = await sandbox.exec("python3", "-c", service);
  const lines = process.stdout[Symbol.asyncIterator]();
  await lines.next();
  const heard: string[] = [];
  const listen = async () => {
    for (let line = await lines.next(); !line.done; line = await lines.next()) heard.push(line.value);
  };
  listen().catch(() => undefined); // the sandbox has ended
  return { heard };
}

/** @returns of each host "reached" or "refused", over TCP, UDP and ICMP alike, or both */
export async function reach(from: Sandbox, hosts: readonly string[]): Promise<string[]> {
  const program = `${attempts}
for host in ${JSON.stringify(hosts)}: print(*{attempt(each, host, ${servicePort}) for each in (tcp, udp, icmp)})`;
  const { stdout, stderr } = await python(from, program);
  if (stderr !== "") throw new Error(stderr);
  return stdout.trim().split("\n");
}
