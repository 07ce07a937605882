import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "../connect.ts";
import { CliError } from "../errors.ts";
import { flag } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine } from "../print.ts";
import { defineVerb } from "../verb.ts";

/** Where distributions look for authorities of the machine's owner, and what makes them look again. */
const stores = [
  { directory: "/usr/local/share/ca-certificates", update: ["update-ca-certificates"] },
  { directory: "/etc/pki/ca-trust/source/anchors", update: ["update-ca-trust"] },
] as const;

export const trust = defineVerb({
  usage: "",
  description:
    "Adds the server's certificate authority to this machine's store, so that its programs accept the certificates of\n" +
    "tunnels. It can sign for names of tunnels alone. Browsers that have a store of their own, and Node\n" +
    "(NODE_EXTRA_CA_CERTS), are given what --print prints.",
  options: { print: flag("Print the authority's certificate in PEM instead."), undo: flag("Take it out again."), json },
  arguments: [0, 0],
  examples: ["atoll trust --print > atoll.pem && NODE_EXTRA_CA_CERTS=atoll.pem node client.js"],
  async run({ values, signal }) {
    const client = await connect(signal);
    const { domain, certificate } = await client.request("tunnelAuthority", { signal });
    if (certificate === undefined) {
      await printLine(`${domain} has a certificate of its own: there is nothing to trust`);
      return 0;
    }
    if (values.print) {
      if (values.json) await printJson({ domain, certificate });
      else await printLine(certificate.trimEnd());
      return 0;
    }
    const file = await (values.undo ? removed(certificate) : installed(certificate));
    if (values.json) await printJson({ domain, file });
    else await printLine(`${values.undo ? "removed" : "added"} ${file}`);
    return 0;
  },
});

function placeFor(certificate: string) {
  const store = stores.find(({ directory }) => existsSync(directory));
  const name = `atoll-${createHash("sha256").update(certificate).digest("hex").slice(0, 12)}.crt`;
  if (store) return { ...store, file: join(store.directory, name) };
  throw new CliError(
    "unavailable",
    "cannot find this machine's store of certificates",
    "Install ca-certificates, or use atoll trust --print.",
  );
}

async function installed(certificate: string): Promise<string> {
  const { file, update } = placeFor(certificate);
  await change(file, () => writeFile(file, certificate, { mode: 0o644 }), update);
  return file;
}

async function removed(certificate: string): Promise<string> {
  const { file, update } = placeFor(certificate);
  await change(file, () => rm(file, { force: true }), update);
  return file;
}

async function change(file: string, act: () => Promise<void>, update: readonly [string]): Promise<void> {
  try {
    await act();
    await promisify(execFile)(update[0]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = "Run it as root, or use atoll trust --print.";
    throw new CliError("permission_denied", `cannot change ${file} and run ${update[0]}: ${reason}`, hint);
  }
}
