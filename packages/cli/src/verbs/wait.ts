import { Sandbox } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { findSandboxId } from "../find-sandbox.ts";
import { json } from "../options.ts";
import { printJson } from "../print.ts";
import { reportEnd, resultOf } from "../result.ts";
import { defineVerb } from "../verb.ts";

export const wait = defineVerb({
  usage: "SANDBOX",
  description:
    "Waits until the sandbox has finished and exits with its exit code. Says on stderr when it did not simply exit.",
  options: { json },
  arguments: [1, 1],
  async run({ values, positionals: [given = ""], signal }) {
    const client = await connect(signal);
    const sandbox = await Sandbox.fromId(await findSandboxId(client, given, signal), { client, signal });
    const result = await resultOf(sandbox.wait({ signal, raiseOnTermination: false }));
    if (!values.json) return reportEnd(`sandbox ${sandbox.id}`, result);
    const { kind, exitCode, signal: by, message } = result;
    await printJson({ id: sandbox.id, kind, exitCode, signal: by, message });
    return exitCode;
  },
});
