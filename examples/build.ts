// Building a project with make: a volume keeps what was built, so the next build has nothing to do.
import { App, Image, Sandbox, Volume } from "@atoll/sdk";

const makefile = `all: greeting

greeting: name
\t@echo building
\t@sed 's/.*/Hello, &!/' name > greeting
`;

const app = await App.lookup("my-app", { createIfMissing: true });
const image = Image.debianSlim().aptInstall("make").pipInstall("numpy", "pandas", "pytest");
await using cache = await Volume.ephemeral();
await cache.batch({ Makefile: makefile, name: "make" });

for (const isolation of ["gvisor", "container"] as const) {
  await using sandbox = await Sandbox.create("sleep", "600", {
    app,
    image,
    isolation,
    workdir: "/build",
    volumes: { "/build": cache },
  });
  const make = await sandbox.exec("make", "all");
  const { returncode } = await make.wait();
  const output = (await make.stdout.read()).trim();
  console.log(
    isolation,
    returncode === 0 ? `Build successful: ${output}` : `Build failed: ${await make.stderr.read()}`,
  );
}
console.log((await cache.readText("greeting")).trim());
