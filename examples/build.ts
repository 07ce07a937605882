// A build command, and what it said if it failed.
import { App, Sandbox } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await using sandbox = await Sandbox.create("sleep", "infinity", { app, workdir: "/tmp" });

for (const code of ["print('fine')", "print('unfinished'"]) {
  const build = await sandbox.exec("python3", "-c", `compile(${JSON.stringify(code)}, "program", "exec")`);
  await build.wait();
  if (build.returncode === 0) console.log("Build successful");
  else console.log("Build failed:", await build.stderr.read());
}
