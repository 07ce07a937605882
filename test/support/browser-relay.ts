/**
 * Runs a browser in a network namespace that has one way out: a port of its loopback, which leads to a unix socket.
 * `unshare --net -- node browser-relay.ts SOCKET PORT BROWSER [ARGUMENT...]`, with the file descriptors of the browser's controller.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";

const [socket = "", port = "", browser = "", ...args] = process.argv.slice(2);
execFileSync("ip", ["link", "set", "lo", "up"]);
const server = createServer({ allowHalfOpen: true }, (client) => {
  const out = connect({ path: socket, allowHalfOpen: true });
  client.on("error", () => out.destroy()).pipe(out);
  out.on("error", () => client.destroy()).pipe(client);
});
server.listen(Number(port), "127.0.0.1");
await once(server, "listening");
const child = spawn(browser, args, { stdio: [0, 1, 2, 3, 4] });
child.once("exit", (code) => process.exit(code ?? 1));
