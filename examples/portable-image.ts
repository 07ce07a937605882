// An image from a Dockerfile leaves as an archive that `docker load` takes, comes back, and runs. With REGISTRY=HOST:PORT it is pushed there too.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, Image, Sandbox } from "@atoll/sdk";

const app = await App.lookup("examples", { createIfMissing: true });
const directory = await mkdtemp(join(tmpdir(), "atoll-example-"));
try {
  await writeFile(join(directory, "greeting"), "hello from a Dockerfile");
  const lines = ["FROM base", "WORKDIR /app", "COPY greeting .", "RUN rm -r /etc/apt", 'CMD ["cat", "greeting"]'];
  await writeFile(join(directory, "Dockerfile"), lines.join("\n"));
  const image = Image.fromDockerfile(join(directory, "Dockerfile"), { context: directory });

  const archive = join(directory, "image.tar");
  let size = 0;
  await image.export(archive, { onProgress: (_bytes, of) => (size = of) });
  console.log(`exported ${size > 100_000_000 ? "more" : "less"} than 100 MB`);

  const imported = await Image.import(archive);
  await using sandbox = await Sandbox.create({ app, image: imported.id });
  console.log(await sandbox.stdout.read());

  const { REGISTRY } = process.env;
  if (REGISTRY !== undefined) {
    const { reference, digest } = await image.push(`${REGISTRY}/example:v1`);
    const pulled = await Image.pull(`${reference.replace(/:v1$/, "")}@${digest}`);
    console.log(`pushed and pulled ${pulled.layers.length} layers`);
  }
} finally {
  await rm(directory, { recursive: true });
}
