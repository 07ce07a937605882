/** Tests that say the same of every isolation level, and sandboxes for them. */
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe } from "node:test";
import { type ExecOptions, type Isolation, Sandbox, type SandboxCreateOptions } from "@atoll/sdk";

export const isolationLevels: readonly Isolation[] = ["gvisor", "container"];

/** Defines the tests once for each level, under the level's name. */
export function eachIsolation(define: (isolation: Isolation) => void): void {
  for (const isolation of isolationLevels) describe(isolation, { concurrency: false }, () => define(isolation));
}

/** A sandbox that all tests of the surrounding suite share; terminated when they are over. */
export function sharedSandbox(options: SandboxCreateOptions): () => Sandbox {
  let sandbox: Sandbox | undefined;
  before(async () => {
    sandbox = await Sandbox.create({ timeoutMs: 600_000, ...options });
  });
  after(() => sandbox?.terminate());
  return () => {
    if (!sandbox) throw new Error("the sandbox is there from the suite's first test on");
    return sandbox;
  };
}

/** A sandbox for one test: `await using`. */
export function newSandbox(options: SandboxCreateOptions): Promise<Sandbox> {
  return Sandbox.create({ timeoutMs: 300_000, ...options });
}

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly returncode: number;
  readonly kind: string;
  readonly message: string | undefined;
}

/** Runs a program in the sandbox to its end. `input` becomes its stdin. */
export async function run(
  sandbox: Sandbox,
  argv: readonly string[],
  { input, ...options }: ExecOptions & { readonly input?: string | Uint8Array } = {},
): Promise<Ended> {
  const process = await sandbox.exec([...argv], { timeoutMs: 120_000, ...options });
  const feed = input === undefined ? Promise.resolve() : feedStdin(process.stdin, input);
  const [stdout, stderr, result] = await Promise.all([
    process.stdout.read(),
    process.stderr.read(),
    process.wait({ raiseOnTermination: false }),
    feed,
  ]);
  return { stdout, stderr, returncode: result.returncode, kind: result.kind, message: result.message };
}

export function shell(sandbox: Sandbox, script: string, options: ExecOptions = {}): Promise<Ended> {
  return run(sandbox, ["sh", "-c", script], options);
}

export function python(sandbox: Sandbox, program: string, options: ExecOptions = {}): Promise<Ended> {
  return run(sandbox, ["python3", "-c", program], options);
}

/** Writes an executable file into the sandbox. */
export async function putProgram(sandbox: Sandbox, path: string, bytes: Uint8Array): Promise<void> {
  const put = await run(sandbox, ["sh", "-c", `cat > ${path} && chmod 755 ${path}`], { input: bytes });
  if (put.returncode !== 0) throw new Error(`cannot write ${path}: ${put.stderr}`);
}

const pieceBytes = 128 * 1024;

async function feedStdin(stdin: Sandbox["stdin"], input: string | Uint8Array): Promise<void> {
  const bytes = Buffer.from(input);
  for (let start = 0; start < bytes.length; start += pieceBytes) {
    stdin.write(bytes.subarray(start, start + pieceBytes));
    await stdin.drain();
  }
  stdin.writeEof();
  await stdin.drain();
}

/** The host's numbers of the processes that make up a sandbox, from its control group. */
export function hostPids(sandbox: Sandbox): number[] {
  const key = sandbox.id.slice(3);
  for (const root of ["/sys/fs/cgroup/pids/atoll", "/sys/fs/cgroup/atoll"])
    for (const instance of names(root)) {
      const text = textOf(`${root}/${instance}/${key}/cgroup.procs`);
      if (text !== undefined) return text.split("\n").filter(Boolean).map(Number);
    }
  throw new Error(`cannot find the control group of ${sandbox.id}`);
}

/** Process id of the server that the tests talk to. */
export function daemonPid(): number {
  return JSON.parse(readFileSync(`${process.env.ATOLL_STATE_DIR}/server.json`, "utf8")).pid;
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
