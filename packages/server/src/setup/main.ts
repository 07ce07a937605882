/**
 * `node main.ts [setup|doctor] --state-dir DIRECTORY`: set-up is a process of its own, so the server never forks for it.
 * setup shows its progress on stderr; doctor prints its report as JSON on stdout. Exits with 0, or 1 with a message.
 */
import { parseArgs } from "node:util";
import { examine } from "./doctor.ts";
import { readMachine } from "./machine.ts";
import { showProgress } from "./progress.ts";
import type { Context } from "./requirement.ts";
import { requirements } from "./requirements.ts";
import { mustBeLinuxRoot, setUp } from "./set-up.ts";
import { SetupError } from "./setup-error.ts";
import { withSetupLock } from "./setup-lock.ts";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { "state-dir": { type: "string", default: "/var/lib/atoll" } },
    allowPositionals: true,
  });
  const context: Context = {
    machine: await readMachine(),
    stateDirectory: values["state-dir"],
    signal: untilInterrupted(),
  };
  if (positionals[0] === "doctor") {
    process.stdout.write(`${JSON.stringify(await examine(requirements, context))}\n`);
    return;
  }
  mustBeLinuxRoot(context.machine);
  const progress = showProgress(process.stderr);
  const onWait = () => progress.note("waiting for another set-up of this machine to end");
  await withSetupLock(context.stateDirectory, context.signal, onWait, () => setUp(requirements, context, progress));
}

function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () =>
      controller.abort(new SetupError("cannot go on: interrupted", "Run it again; it continues.")),
    );
  }
  return controller.signal;
}

try {
  await main();
} catch (error) {
  const cause = error instanceof Error && error.name === "AbortError" ? error.cause : error;
  const message =
    cause instanceof SetupError ? `${cause.message}\n  ${cause.hint}` : String((cause as Error)?.stack ?? cause);
  process.stderr.write(`atoll: ${message}\n`);
  process.exitCode = 1;
}
