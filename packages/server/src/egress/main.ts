/**
 * What sandboxes reach by name goes through this program. It lives in the gateway's network namespace, from where it reaches nothing that an open
 * sandbox does not, as a user without rights; it ends with the daemon that has it started, and until the next one is there nothing is reached by name.
 */
import { connect, type Socket } from "node:net";
import { allowedNames, answers } from "./answers.ts";
import { Clients } from "./clients.ts";
import { type FromEgress, receive, type Settings, send, type ToEgress } from "./control.ts";
import { Door } from "./door.ts";
import { Forbidden } from "./forbidden.ts";
import { Journal } from "./journal.ts";
import { lookup as lookupAt } from "./lookup.ts";
import { memberNames, relayedNames } from "./members.ts";
import { serveNames } from "./name-server.ts";
import { serveWeb } from "./web.ts";

/** The user of those who own nothing. */
const nobody = 65_534;

const reportMs = 1000;

const [socketPath = ""] = process.argv.slice(2);
const clients = new Clients();
const journal = new Journal();
const daemon = connect(socketPath);
daemon.on("error", () => process.exit(1));
daemon.on("close", () => process.exit(0));
receive<ToEgress>(daemon, (message) => void take(daemon, message));

async function take(socket: Socket, message: ToEgress): Promise<void> {
  if (message.type === "settings") return serve(socket, message.settings);
  if (message.type === "client") clients.set(message.address, message.policy);
  report(socket);
  send(socket, { type: "done", request: message.request } satisfies FromEgress);
}

async function serve(socket: Socket, { nameServers, subnet }: Settings): Promise<void> {
  const lookup = lookupAt(nameServers);
  const forbidden = new Forbidden(subnet);
  const sources = [memberNames(clients), allowedNames(lookup, forbidden), relayedNames()];
  await serveNames(answers(clients, sources, journal));
  await serveWeb(clients, new Door({ clients, lookup, forbidden, journal }));
  becomeNobody();
  setInterval(() => report(socket), reportMs);
  send(socket, { type: "ready" });
}

function report(socket: Socket): void {
  for (const [address, traffic] of journal.take()) send(socket, { type: "traffic", address, traffic });
}

function becomeNobody(): void {
  process.setgroups?.([]);
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}
