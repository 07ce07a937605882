/** Small static C programs that try to get out of a sandbox, compiled where the tests run. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import type { Sandbox } from "@atoll/sdk";
import { type Ended, putProgram, run } from "./isolation.ts";
import { checkout } from "./server.ts";

const sources = join(checkout, "test/hostile/probes");
/** Where the program lies in a sandbox. */
const inside = "/tmp/escape";

export interface Probes {
  /** Its path on the host. */
  readonly path: string;
  install(sandbox: Sandbox): Promise<void>;
  /** Asserts that the attempt is refused in the sandbox. @returns what it said */
  assertRefused(sandbox: Sandbox, attempt: readonly string[]): Promise<Ended>;
  /** Asserts that the same attempt gets through where nothing is in its way: run on the host by `prefix`, such as unshare(1). */
  assertReached(prefix: readonly string[], attempt: readonly string[]): void;
  isReached(prefix: readonly string[], attempt: readonly string[]): boolean;
  /** The same with a command that runs a copy of the program. */
  assertReachedBy(command: readonly string[]): void;
}

/** Call at the top of a test file: compiled before its tests, removed after them. */
export function useProbes(): Probes {
  let directory = "";
  const path = () => join(directory, "escape");
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "atoll-probes-"));
    const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
    const names = files.map((name) => join(sources, name));
    execFileSync("gcc", ["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path(), ...names]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  return {
    get path() {
      return path();
    },
    install: (sandbox) => putProgram(sandbox, inside, readFileSync(path())),
    assertRefused: async (sandbox, attempt) => {
      const ended = await run(sandbox, [inside, ...attempt]);
      // A filter or a foreign table of calls may also end the program: SIGSYS, SIGSEGV.
      const isRefused = (ended.returncode === 1 && ended.stdout.startsWith("refused: ")) || ended.returncode > 128;
      assert.ok(isRefused, `${attempt.join(" ")}: ${JSON.stringify(ended)}`);
      return ended;
    },
    assertReached: (prefix, attempt) => assertReachedBy([...prefix, path(), ...attempt]),
    isReached: (prefix, attempt) => {
      const [program = "", ...argv] = [...prefix, path(), ...attempt];
      return spawnSync(program, argv, { encoding: "utf8" }).stdout === "reached\n";
    },
    assertReachedBy,
  };
}

function assertReachedBy([program = "", ...argv]: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(program, argv, { encoding: "utf8" });
  assert.equal(stdout, "reached\n", `${argv.join(" ")} on the host: ${status} ${stdout} ${stderr}`);
}
