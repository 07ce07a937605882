// A database that only the worker beside it reaches, and that reaches nothing itself.
import { Sandbox } from "@atoll/sdk";

await using db = await Sandbox.create("python3", "-m", "http.server", "8000", {
  name: "db",
  network: "team-a",
  blockNetwork: true,
  readinessProbe: { tcpPort: 8000 },
});
await using worker = await Sandbox.create({ network: "team-a" });
await using stranger = await Sandbox.create();
await db.waitUntilReady();

const inside = await worker.exec("curl", "-sI", "http://db:8000/");
console.log("the worker:", (await inside.stdout.read()).split("\r\n")[0]);
const outside = await stranger.exec("curl", "-sI", `http://${db.lastInfo.address}:8000/`);
console.log("a stranger:", (await outside.wait()).returncode === 0 ? "reached it" : "does not reach it");
