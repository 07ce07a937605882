/**
 * Writes the types and descriptors of the Modal dialect from its schemas: `node packages/server/scripts/generate-modal.ts`.
 * The compiler is fetched by npm when this is run, and by nobody else: it is 90 MB, and what it writes is committed.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generated, proto, sourcesDigest } from "./modal-schemas.ts";

const tools = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.17.0"];
const settings = {
  version: "v2",
  plugins: [{ local: "protoc-gen-es", out: generated, opt: "target=ts,import_extension=ts" }],
  inputs: [{ directory: proto }],
};

const directory = mkdtempSync(join(tmpdir(), "atoll-generate-"));
try {
  const template = join(directory, "buf.gen.json");
  writeFileSync(template, JSON.stringify(settings));
  rmSync(generated, { recursive: true, force: true });
  const packages = tools.map((tool) => `--package=${tool}`);
  execFileSync("npm", ["exec", "--yes", ...packages, "--", "buf", "generate", "--template", template], {
    stdio: "inherit",
    cwd: directory,
  });
  writeFileSync(join(generated, "sources.sha256"), `${sourcesDigest()}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
