/** What a program finds out about itself and its streams, at every isolation level. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FailedToStartError, type Process, type Sandbox } from "@atoll/sdk";
import { eachIsolation, run, sharedSandbox, shell } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";

useServer();

/** What each command prints and ends with. */
const programs: readonly {
  readonly title: string;
  readonly argv: readonly string[];
  readonly options?: Parameters<typeof run>[2];
  readonly stdout?: string;
  readonly stderr?: string;
  readonly returncode?: number;
}[] = [
  {
    title: "arguments arrive as they are, empty ones and those with spaces, newlines and quotes included",
    argv: ["python3", "-c", "import sys; print(sys.argv[1:])", "", "a b", "c\nd", "'\"$HOME`*"],
    stdout: "['', 'a b', 'c\\nd', '\\'\"$HOME`*']\n",
  },
  {
    title: "the environment holds what was given, PATH and HOME, and nothing of the host",
    argv: ["env"],
    options: { env: { A: "1", B: "two words", C: "" } },
    stdout: "A=1\nB=two words\nC=\nHOME=/root\nLOGNAME=root\nPATH=*\nUSER=root\n",
  },
  { title: "the working directory is the home directory", argv: ["pwd"], stdout: "/root\n" },
  { title: "workdir is the working directory", argv: ["pwd"], options: { workdir: "/usr/lib" }, stdout: "/usr/lib\n" },
  { title: "the user is root", argv: ["id"], stdout: "uid=0(root) gid=0(root) groups=0(root)\n" },
  {
    title: "a user of the image has its group",
    argv: ["sh", "-c", "id -u; id -g; echo $HOME $USER"],
    options: { user: "daemon" },
    stdout: "1\n1\n/usr/sbin daemon\n",
  },
  {
    title: "a user may be any number, the last one included",
    argv: ["sh", "-c", "id -u; id -g"],
    options: { user: "65534:65533" },
    stdout: "65534\n65533\n",
  },
  { title: "the exit code is the program's", argv: ["sh", "-c", "exit 42"], returncode: 42 },
  { title: "the highest exit code is the program's too", argv: ["sh", "-c", "exit 255"], returncode: 255 },
  { title: "death by a signal is 128 and the signal", argv: ["sh", "-c", "kill -TERM $$"], returncode: 143 },
  { title: "a program that aborts is 134", argv: ["sh", "-c", "ulimit -c 0; kill -ABRT $$"], returncode: 134 },
  {
    title: "stdout and stderr are kept apart",
    argv: ["sh", "-c", "echo out; echo err >&2"],
    stdout: "out\n",
    stderr: "err\n",
  },
  { title: "stdin arrives and ends", argv: ["cat"], options: { input: "one\ntwo" }, stdout: "one\ntwo" },
  { title: "without stdin a program reads an end", argv: ["cat"], options: { stdin: false }, stdout: "" },
  {
    title: "a pipe that nobody reads any more ends its writer",
    argv: ["bash", "-c", "set -o pipefail; yes | head -n 1; echo $?"],
    stdout: "y\n141\n",
  },
  {
    title: "a program starts with no open files but its streams",
    argv: ["python3", "-c", "import os; print([fd for fd in range(3, 1000) if os.path.exists(f'/proc/self/fd/{fd}')])"],
    stdout: "[]\n",
  },
];

const terminalProgram = `
import os, signal, sys, time
def size(): return "%d %d" % (os.get_terminal_size().lines, os.get_terminal_size().columns)
def interrupted(*_): print("interrupted"); sys.exit(5)
signal.signal(signal.SIGWINCH, lambda *_: print("resized", size()))
signal.signal(signal.SIGINT, interrupted)
print(os.path.dirname(os.ttyname(0)), size())
while True: time.sleep(0.05)`;

const sorted = (text: string) => text.split("\n").filter(Boolean).toSorted().join("\n");
const withoutPath = (text: string) => text.replace(/^PATH=.+$/m, "PATH=*");

eachIsolation((isolation) => {
  const sandbox = sharedSandbox({ isolation });

  for (const { title, argv, options, stdout = "", stderr = "", returncode = 0 } of programs)
    test(title, async () => {
      const ended = await run(sandbox(), argv, options);
      const [seen, wanted] =
        argv[0] === "env" ? [sorted(withoutPath(ended.stdout)), sorted(stdout)] : [ended.stdout, stdout];
      assert.deepEqual([seen, ended.stderr, ended.returncode], [wanted, stderr, returncode]);
    });

  test("supplementary groups are those of the image's group file", async () => {
    await shell(sandbox(), "useradd -u 4321 -G games,users member");
    const { stdout } = await run(sandbox(), ["id", "-Gn"], { user: "member" });
    assert.deepEqual(stdout.trim().split(" ").toSorted(), ["games", "member", "users"]);
  });

  test("a missing program is 127, one that is no program 126", async () => {
    await shell(sandbox(), "echo text > /tmp/plain; chmod 644 /tmp/plain");
    assert.equal(await startCode(sandbox(), ["/no/such/program"]), 127);
    assert.equal(await startCode(sandbox(), ["no-such-program"]), 127);
    assert.equal(await startCode(sandbox(), ["/tmp/plain"]), 126);
    assert.equal(await startCode(sandbox(), ["/tmp"]), 126);
  });

  test("ten megabytes of output arrive whole", async () => {
    const { stdout } = await shell(sandbox(), "yes 0123456789abcde | head -c 10485760");
    assert.equal(stdout.length, 10_485_760);
    assert.equal(stdout, "0123456789abcde\n".repeat(655_360));
  });

  test("a signal sent from outside reaches the program's handler", async () => {
    const process = await sandbox().exec(
      "sh",
      "-c",
      "trap 'echo caught; exit 9' USR1; echo ready; while :; do sleep 0.05; done",
    );
    await firstLine(process, "ready");
    await process.kill("SIGUSR1");
    assert.equal(await process.stdout.from(0).read(), "ready\ncaught\n");
    assert.equal((await process.wait()).returncode, 9);
  });

  test("a terminal has a name and a size, follows its resize, and its Ctrl-C is a signal", async () => {
    const process = await sandbox().exec("python3", "-u", "-c", terminalProgram, { pty: { rows: 12, cols: 34 } });
    await firstLine(process, "/dev/pts 12 34");
    await process.resize(55, 66);
    await firstLine(process, "resized 55 66");
    process.stdin.write("\x03");
    await process.stdin.drain();
    assert.match(await process.stdout.from(0).read(), /interrupted/);
    assert.equal((await process.wait()).returncode, 5);
  });

  test("an orphan is reaped, and does not hold the exec up", async () => {
    const { stdout, returncode } = await shell(
      sandbox(),
      "(sleep 0.2 & sleep 0.2 & sleep 0.2 &) ; sleep 0.6; ps() { grep -l '^State:.Z' /proc/[0-9]*/status; }; ps | wc -l",
    );
    assert.deepEqual([stdout.trim(), returncode], ["0", 0]);
  });

  test("hundreds of processes run and end", async () => {
    const { stdout, returncode } = await shell(sandbox(), "for i in $(seq 200); do sleep 0.3 & done; wait; echo done");
    assert.deepEqual([stdout, returncode], ["done\n", 0]);
  });
});

/** The start is refused at once, or is the result: a program may fail to start before or after it was answered. */
async function startCode(sandbox: Sandbox, argv: readonly string[]): Promise<number | undefined> {
  const process = await sandbox.exec([...argv]).catch((error: unknown) => {
    if (error instanceof FailedToStartError) return undefined;
    throw error;
  });
  const started = process ?? (await sandbox.processes()).at(-1);
  return (await started?.wait())?.returncode;
}

async function firstLine(process: Process, wanted: string): Promise<void> {
  for await (const line of process.stdout) if (line.trim() === wanted) return;
  assert.fail(`the program ended without ${wanted}`);
}
