// Packages and files of your own in an image: built once, found again in milliseconds.
import { App, Image, Sandbox } from "@atoll/sdk";

const app = await App.lookup("examples", { createIfMissing: true });
const image = Image.debianSlim()
  .env({ GREETING: "hello" })
  .workdir("/app")
  .addLocalFile(new URL(import.meta.url).pathname, "/app/example.ts")
  .runCommands("wc -l < example.ts > lines");

const first = performance.now();
await image.build({ onOutput: (event) => event.event === "step" && console.log(event.text) });
console.log(`built in ${Math.round(performance.now() - first)} ms`);

await using sandbox = await Sandbox.create("sh", "-c", 'echo "$GREETING, $(cat lines) lines"', { app, image });
console.log(await sandbox.stdout.read());
