/**
 * A program: answers "!" to whatever it is sent over TCP and UDP on one port of all addresses, and on an abstract unix socket when one is
 * named. Its first line on stdout is the port; each further one is what it heard.
 */
import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";

function answer(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes) => {
    console.log(`tcp ${socket.remoteAddress} ${bytes}`);
    socket.write("!");
  });
}

const abstractName = process.argv[2];
const tcp = createServer(answer).listen(0, "::", () => {
  const address = tcp.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const udp = createSocket("udp4");
  udp.on("message", (bytes, { address: from, port: fromPort }) => {
    console.log(`udp ${from} ${bytes}`);
    udp.send("!", fromPort, from);
  });
  udp.bind(port, "0.0.0.0", () => {
    if (abstractName === undefined) console.log(port);
    else createServer(answer).listen(`\0${abstractName}`, () => console.log(port));
  });
});
