// Volumes: data that outlives sandboxes, at both isolation levels.
import { App, Sandbox, Volume } from "@atoll/sdk";

const app = await App.lookup("my-app", { createIfMissing: true });

for (const isolation of ["gvisor", "container"] as const) {
  const volume = await Volume.fromName(`my-data-${isolation}`, { createIfMissing: true });
  try {
    // What a sandbox has written is there once it has ended.
    const first = await Sandbox.create("sh", "-c", "echo kept > /data/result", {
      app,
      isolation,
      volumes: { "/data": volume },
    });
    await first.wait();
    console.log(isolation, "from outside:", (await volume.readText("result")).trim());

    // Files can be put from outside, too; a sandbox that runs sees them when it reloads.
    await using second = await Sandbox.create({ app, isolation, volumes: { "/data": volume } });
    await volume.batch({ "input/a": "1", "input/b": "2" });
    await second.reloadVolumes();
    const list = await second.exec("sh", "-c", "cat /data/result; ls /data/input");
    console.log((await list.stdout.read()).trim().replaceAll("\n", " "));

    await using reader = await Sandbox.create({ app, isolation, volumes: { "/data": volume.readOnly() } });
    const write = await reader.exec("sh", "-c", "echo changed > /data/result");
    console.log("a read-only mount:", (await write.stderr.read()).trim().split(": ").at(-1));
  } finally {
    await Volume.delete(volume.id);
  }
}
