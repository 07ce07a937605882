import { connect } from "../connect.ts";
import { flag } from "../option.ts";
import { json } from "../options.ts";
import { plain, printJson, printLine, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const gc = defineVerb({
  usage: "",
  description:
    "Looks for processes, mounts, networks, cgroups and files that belong to no sandbox, and removes them. Exits with 1 when\n" +
    "something could not be removed.",
  options: { "dry-run": flag("Only say what there is.", "n"), json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const { found } = await client.request("gc", { query: { dryRun: values["dry-run"] }, signal });
    if (values.json) await printJson({ found });
    else if (found.length === 0) await printLine("nothing was left behind");
    else {
      const rows = found.map(({ kind, what, removed }) => [kind, removed ? "yes" : "no", plain(what)]);
      await printTable(["KIND", "REMOVED", "WHAT"], rows);
    }
    return values["dry-run"] || found.every(({ removed }) => removed) ? 0 : 1;
  },
});
