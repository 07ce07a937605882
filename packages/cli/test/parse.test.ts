import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../src/errors.ts";
import { environment, flag, many, one, pairs, text } from "../src/option.ts";
import { parse } from "../src/parse.ts";
import { duration } from "../src/quantity.ts";
import { defineVerb, type Verb } from "../src/verb.ts";

function verb(parts: Partial<Verb>): Verb {
  return defineVerb({
    usage: "",
    description: "",
    arguments: [0, 9],
    options: {
      pty: flag("", "t"),
      interactive: flag("", "i"),
      env: many("KEY=VALUE", "", environment, { short: "e" }),
      tag: many("KEY=VALUE", "", pairs),
      name: one("NAME", "", text),
      timeout: one("DURATION", "", duration),
    },
    run: async () => 0,
    ...parts,
  });
}

const takesCommand = verb({ arguments: [1, 1], commandAfter: 1 });

describe("reading a command line", () => {
  test("values come after a space or an equals sign, and flags may be written together", () => {
    const { values } = parse("exec", takesCommand, [
      "-it",
      "--name=a=b",
      "--timeout",
      "2m",
      "-eA=1",
      "-e",
      "B=",
      "web",
    ]);
    assert.deepEqual(values, {
      pty: true,
      interactive: true,
      name: "a=b",
      timeout: 120_000,
      env: { A: "1", B: "" },
      tag: {},
    });
  });

  test("what is absent is false, undefined or empty", () => {
    const { values } = parse("exec", takesCommand, ["web"]);
    assert.deepEqual(values, {
      pty: false,
      interactive: false,
      name: undefined,
      timeout: undefined,
      env: {},
      tag: {},
    });
  });

  test("options behind the beginning of the command are the command's", () => {
    const parsed = parse("exec", takesCommand, ["web", "-t", "ls", "--name", "-l"]);
    assert.deepEqual(parsed.positionals, ["web"]);
    assert.deepEqual(parsed.command, ["ls", "--name", "-l"]);
    assert.equal(parsed.values.pty, true);
    assert.equal(parsed.values.name, undefined);
  });

  test("-- begins the command, even one that looks like an option", () => {
    assert.deepEqual(parse("exec", takesCommand, ["web", "--", "-t", "--", "x"]).command, ["-t", "--", "x"]);
  });

  test("without a command, -- begins the arguments", () => {
    assert.deepEqual(parse("ls", verb({}), ["-t", "--", "-e"]).positionals, ["-e"]);
  });

  test("--help is asked for before the command only", () => {
    assert.equal(parse("exec", takesCommand, ["web", "--help"]).wantsHelp, true);
    assert.equal(parse("exec", takesCommand, ["web", "ls", "--help"]).wantsHelp, false);
  });

  const mistakes: [title: string, argv: string[], message: RegExp, hint: RegExp][] = [
    ["an unknown option suggests the nearest", ["web", "--timeuot", "3"], /--timeuot/, /Did you mean --timeout/],
    ["a name from Object's prototype is no option", ["web", "--constructor"], /--constructor/, /atoll help exec/],
    ["an unknown short option is named", ["-z", "web"], /-z/, /atoll help exec/],
    ["a missing value is said", ["web", "--name"], /--name without a value/, /--name NAME/],
    ["a flag takes no value", ["--pty=yes", "web"], /--pty: it takes none/, /./],
    ["a bad value names its option", ["--timeout", "soon", "web"], /"soon" as a duration for --timeout/, /30s/],
    ["a missing argument shows the usage", [], /an argument is missing/, /Usage: atoll exec/],
    [
      "KEY without a value must be in the environment",
      ["-e", "ATOLL_NOT_SET_X", "web"],
      /ATOLL_NOT_SET_X.*not set/,
      /./,
    ],
  ];
  for (const [title, argv, message, hint] of mistakes) {
    test(title, () => {
      assert.throws(
        () => parse("exec", takesCommand, argv),
        (error) => error instanceof UsageError && message.test(error.message) && hint.test(error.hint),
      );
    });
  }

  test("one argument too many is named", () => {
    assert.throws(() => parse("ls", verb({ arguments: [0, 1] }), ["a", "b"]), /"b"/);
  });
});
