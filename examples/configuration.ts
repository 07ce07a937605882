// Limits, environment and secrets of a sandbox.
import { App, Sandbox, Secret } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });
await Secret.put("my-secret", { API_KEY: "s3cret" });

for (const isolation of ["gvisor", "container"] as const) {
  await using sandbox = await Sandbox.create(
    "python3",
    "-c",
    "import os; print(os.environ['MODE'], len(os.environ['API_KEY']), len(os.environ['LOCAL']))",
    {
      app,
      isolation,
      cpu: 0.5,
      memory: "256MiB",
      pidsLimit: 64,
      env: { MODE: "test" },
      secrets: [Secret.fromName("my-secret"), Secret.fromObject({ LOCAL: "here" })],
      timeoutMs: 60_000,
    },
  );
  console.log(isolation, await sandbox.stdout.read());
  const { cpu, memoryBytes } = await sandbox.info();
  console.log(`${cpu} cores, ${memoryBytes / 2 ** 20} MiB`);
}
