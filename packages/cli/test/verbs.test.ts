import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bashCompletion, fishCompletion, loadVerbs, zshCompletion } from "../src/completion.ts";
import { cliDocument } from "../src/document.ts";
import { usageLine } from "../src/help.ts";
import { verbs } from "../src/verbs.ts";

const atoll = fileURLToPath(new URL("../../../atoll", import.meta.url));
const loaded = await loadVerbs();

function run(...args: string[]) {
  return spawnSync(atoll, args, { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
}

describe("help", () => {
  for (const { entry, verb } of loaded) {
    test(`${entry.name} explains itself by --help and by atoll help`, () => {
      const byOption = run(...entry.name.split(" "), "--help");
      assert.equal(byOption.status, 0);
      assert.ok(byOption.stdout.includes(`Usage: ${usageLine(entry.name, verb)}`));
      for (const name of Object.keys(verb.options)) assert.ok(byOption.stdout.includes(`--${name}`), name);
      assert.equal(run("help", ...entry.name.split(" ")).stdout, byOption.stdout);
    });
  }

  test("atoll alone and atoll --help list every verb", () => {
    const { stdout, status } = run();
    assert.equal(status, 0);
    for (const { name, summary } of verbs) assert.match(stdout, new RegExp(`^  ${name} +${summary}$`, "m"));
    assert.equal(run("--help").stdout, stdout);
  });

  test("the word that begins several verbs lists those", () => {
    const { stdout } = run("token");
    assert.match(stdout, /token create/);
    assert.doesNotMatch(stdout, /secret/);
  });
});

test("docs/cli.md is what the tables say", () => {
  const written = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");
  assert.equal(written, cliDocument(loaded), "run node packages/cli/scripts/write-document.ts");
});

test("no two options of a verb share a letter, and none takes that of --help", () => {
  for (const { entry, verb } of loaded) {
    const letters = Object.values(verb.options).flatMap(({ short }) => short ?? []);
    assert.equal(new Set([...letters, "h"]).size, letters.length + 1, entry.name);
  }
});

describe("a wrong command line exits with 2 and says what to do", () => {
  const cases: [argv: string[], stderr: RegExp][] = [
    [["rnu"], /no such verb\n.*Did you mean atoll run\?/],
    [["tokn"], /no such verb\n.*Did you mean atoll token\?/],
    [["token", "creat", "x"], /no such verb\n.*atoll token create/],
    [["run", "--memroy", "1", "--", "x"], /no such option\n.*--memory/],
    [["run", "--memory", "lots", "--", "x"], /"lots" as a size for --memory/],
    [["run"], /without a command/],
    [["exec", "web"], /without a command/],
    [["run", "--isolation", "none", "--", "x"], /gvisor, container/],
    [["help", "rnu"], /Did you mean atoll help run/],
    [["completion", "tcsh"], /bash, zsh or fish/],
    [["shell"], /not a terminal/],
    [["secret", "create", "x", "A=-", "B=-"], /two values from one stdin/],
  ];
  for (const [argv, expected] of cases) {
    test(`atoll ${argv.join(" ")}`, () => {
      const { status, stdout, stderr } = run(...argv);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^atoll: cannot /);
      assert.match(stderr, expected);
    });
  }
});

test("with --json an error is JSON on stderr", () => {
  const { status, stderr } = run("ls", "--json", "extra");
  assert.equal(status, 2);
  const { error } = JSON.parse(stderr);
  assert.equal(error.code, "usage");
  assert.match(error.message, /"extra"/);
  assert.match(error.hint, /^Usage: atoll ls/);
});

test("a reader that goes away ends the command as SIGPIPE would, without a word", () => {
  const script = `"$0" help | true; printf '%s' "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script, atoll], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.ok(["0", "141"].includes(stdout), stdout);
});

describe("completion", () => {
  test("bash takes the script, and completes verbs, second words, options and their values", () => {
    const complete = (...words: string[]) => {
      const script = `${bashCompletion(loaded)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length - 1}
_atoll atoll '${words.at(-1)}' '${words.at(-2)}'; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim().split("\n");
    };
    assert.deepEqual(complete("atoll", "cre"), ["create"]);
    assert.deepEqual(complete("atoll", "token", "cr"), ["create"]);
    assert.deepEqual(complete("atoll", "token", "create", "--j"), ["--json"]);
    assert.deepEqual(complete("atoll", "run", "--mem"), ["--memory"]);
    assert.deepEqual(complete("atoll", "run", "--isolation", ""), ["gvisor", "container"]);
  });

  test("the scripts for zsh and fish name every verb", () => {
    for (const { entry } of loaded) {
      const [first = "", second = first] = entry.name.split(" ");
      assert.ok(zshCompletion(loaded).includes(`"${entry.name}") words=`));
      assert.match(fishCompletion(loaded), new RegExp(`-a '?${first}\\b`));
      assert.ok(fishCompletion(loaded).includes(second));
    }
  });
});
