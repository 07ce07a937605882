import assert from "node:assert/strict";
import { test } from "node:test";
import { AtollError } from "../../src/error.ts";
import { type DockerStep, evaluate } from "../../src/images/dockerfile/evaluate.ts";
import { patternOf } from "../../src/images/dockerfile/pattern.ts";
import { parseCommands, parseDockerfile, targetStage } from "../../src/images/dockerfile/stages.ts";

const config = { env: { HOME: "/root" }, cmd: ["old"] };
const steps = (text: string, given = {}) =>
  evaluate(parseCommands(text), { config, globals: { ARCH: "amd64" }, given });
const first = (text: string) => steps(text)[0];
const last = (text: string, given = {}) => steps(text, given).at(-1);
const configOf = (step: DockerStep | undefined) => (step && "config" in step ? step.config : undefined);
const runOf = (step: DockerStep | undefined) => (step && "run" in step ? step.run : undefined);
const copyOf = (step: DockerStep | undefined) => (step && "copy" in step ? step.copy : undefined);
const failing = (text: string, message: RegExp, code = "invalid_argument") =>
  assert.throws(
    () =>
      evaluate(
        parseDockerfile(text, {}, {}).stages.flatMap(({ instructions }) => instructions),
        { config, globals: {}, given: {} },
      ),
    (error) => error instanceof AtollError && error.code === code && message.test(error.message),
  );

test("lines go on after the escape character, over comments and empty lines", () => {
  const text = "# a comment\nRUN one \\\n  # inside\n\n  && two\\\n three\nRUN last \\\\\n";
  assert.deepEqual(
    steps(text).map((step) => [step.line, runOf(step)?.command]),
    [
      [2, "one   && two three"],
      [7, "last \\\\"],
    ],
  );
});

test("the escape directive changes the character for lines and variables", () => {
  const text = "# syntax=whatever\n# escape=`\nENV A=C:\\x `\n  B=`$HOME\n";
  assert.deepEqual(configOf(first(text))?.env, { HOME: "/root", A: "C:\\x", B: "$HOME" });
});

test("variables are replaced where Docker replaces them, with the values from before the line", () => {
  const text = [
    "ARG V=1 EMPTY=",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own
    "ENV A=$V B=\"x ${A:-none} \\$V\" C='$V' D=${EMPTY:-d} E=${EMPTY-e} F=${V:+set}",
    "ENV OLD form with  spaces $A",
    "WORKDIR $OLD",
  ].join("\n");
  const [environment, old, workdir] = steps(text);
  const { HOME: _home, ...env } = configOf(environment)?.env ?? {};
  assert.deepEqual(env, { A: "1", B: "x none $V", C: "$V", D: "d", E: "", F: "set" });
  assert.equal(configOf(old)?.env.OLD, "form with  spaces 1");
  assert.ok(workdir && "workdir" in workdir && workdir.workdir === "/form with  spaces 1");
});

test("arguments reach RUN, can be given, and give way to the environment", () => {
  assert.deepEqual(runOf(last("ARG A=1\nARG B\nRUN x"))?.env, { A: "1" });
  assert.deepEqual(runOf(last("ARG A=1\nARG B\nRUN x", { A: "2", B: "3", C: "4" }))?.env, { A: "2", B: "3" });
  assert.deepEqual(runOf(last("ARG A=1\nENV A=2\nARG ARCH\nRUN x"))?.env, { ARCH: "amd64" });
});

test("RUN takes the shell form, the exec form and heredocs", () => {
  assert.equal(runOf(first("run echo  a && b"))?.command, "echo  a && b");
  assert.deepEqual(runOf(first('RUN ["a", "b c"]'))?.command, ["a", "b c"]);
  assert.equal(runOf(first("RUN [ -e /x ] && y"))?.command, "[ -e /x ] && y");
  assert.equal(runOf(first("RUN <<EOF\none\n  # kept\ntwo\nEOF\n"))?.command, "one\n  # kept\ntwo\n");
  assert.equal(runOf(first("RUN cat <<-'X' > /f\n\t$HOME\n\tX\n"))?.command, "cat <<-'X' > /f\n$HOME\nX");
  assert.match(
    String(runOf(first("RUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF"))?.command),
    /^cat > \S+ <<'ATOLL_SCRIPT'\n#!.*\nprint\(1\)\nATOLL_SCRIPT\n\/usr\/bin\/env python3 \S+$/,
  );
});

test("COPY and ADD say what is copied, where to, and as whose", () => {
  const copy = copyOf(last('WORKDIR /app\nCOPY --chown=app:web --chmod=750 a "b c" sub/'));
  assert.deepEqual([copy?.sources, copy?.path, copy?.isDirectory], [["a", "b c"], "/app/sub/", true]);
  assert.deepEqual([copy?.chown, copy?.mode, copy?.unpacks], ["app:web", 0o750, false]);
  assert.deepEqual(copyOf(first('COPY --from=build ["x y", "/z"]'))?.sources, ["x y"]);
  assert.equal(copyOf(first("ADD a.tar /z"))?.unpacks, true);
  const inline = copyOf(first("COPY <<one <<'two' /d/\n$HOME\none\n$HOME\ntwo\n"))?.inline;
  assert.deepEqual(
    inline?.map(({ content }) => content),
    ["/root\n", "$HOME\n"],
  );
});

test("CMD, ENTRYPOINT, SHELL, USER, LABEL and EXPOSE change the configuration as in Docker", () => {
  assert.deepEqual(configOf(first('ENTRYPOINT ["a"]')), { env: config.env, entrypoint: ["a"] });
  assert.deepEqual(configOf(last('CMD ["c"]\nENTRYPOINT ["a"]'))?.cmd, ["c"]);
  assert.deepEqual(configOf(last('SHELL ["/bin/bash", "-ec"]\nCMD echo $HOME'))?.cmd, [
    "/bin/bash",
    "-ec",
    "echo $HOME",
  ]);
  assert.equal(configOf(first("CMD []"))?.cmd, undefined);
  assert.equal(configOf(first("USER app:web"))?.user, "app:web");
  assert.deepEqual(configOf(first('LABEL a="1 2" b=3'))?.labels, { a: "1 2", b: "3" });
  assert.deepEqual(configOf(last("EXPOSE 80 53/udp\nEXPOSE 80"))?.ports, ["80/tcp", "53/udp"]);
});

test("stages have names and numbers, and FROM uses arguments from before it", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own
  const text = "ARG TAG=3.12\nFROM python:${TAG} AS Build\nRUN a\nFROM scratch\nCOPY --from=build /a /b\n";
  const file = parseDockerfile(text, {}, {});
  assert.deepEqual(
    file.stages.map(({ from, name }) => [from, name]),
    [
      ["python:3.12", "build"],
      ["scratch", undefined],
    ],
  );
  assert.equal(parseDockerfile(text, { TAG: "4" }, {}).stages[0]?.from, "python:4");
  assert.equal(targetStage(file, undefined).index, 1);
  assert.equal(targetStage(file, "BUILD").index, 0);
  assert.equal(targetStage(file, "0").index, 0);
  assert.throws(() => targetStage(file, "none"), /no stage is named none/);
});

test("what cannot be built is an error that names the line", () => {
  failing("RUN x", /line 1 .*comes before FROM/);
  failing("", /no FROM/);
  failing("FROM x\n\nVOLUME /data", /line 3 .*VOLUME is not supported/, "unsupported");
  failing("FROM x\nHEALTHCHECK NONE", /line 2/, "unsupported");
  failing("FROM x\nRUN --mount=type=cache,target=/c y", /line 2 .*--mount/, "unsupported");
  failing("FROM x\nADD https://example.org/f /f", /line 2 .*ADD of https/, "unsupported");
  failing("FROM x\nFETCH y", /line 2 .*no instruction FETCH/);
  failing("FROM x\nCOPY a", /line 2 .*source and a destination/);
  failing("FROM x\nCOPY a b /c", /line 2 .*does not end in \//);
  failing("FROM x\nCOPY --chmod=u+x a /c", /line 2 .*octal/);
  failing("FROM x\nENV A", /line 2 .*no value/);
  failing('FROM x\nENV A="open', /line 2 .*quote has no end/);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the Dockerfile's own
  failing('FROM x\nENV A="${B:?is needed}"', /line 2 .*B is not set: is needed/);
  failing("FROM x\nRUN <<EOF\nnever", /line 2 .*heredoc EOF has no end/);
  failing("FROM x as", /line 1/);
  assert.throws(() => parseCommands("RUN a\nFROM x"), /line 2 .*FROM has no place here/);
});

test("patterns stay within a name", () => {
  for (const [pattern, yes, no] of [
    ["*.txt", "a.txt", "a.txt.gz"],
    ["a?c", "abc", "a/c"],
    ["[a-c]x", "bx", "dx"],
    ["[^a]x", "bx", "ax"],
    ["\\*x", "*x", "ax"],
    ["a.b", "a.b", "axb"],
  ] as const) {
    assert.ok(patternOf(pattern).test(yes), `${pattern} fits ${yes}`);
    assert.ok(!patternOf(pattern).test(no), `${pattern} does not fit ${no}`);
  }
});

test("no text whatever makes the parser fail in another way than with an error of its own", () => {
  const pieces = [
    "FROM x\n",
    "RUN ",
    "COPY ",
    "<<EOF ",
    "EOF\n",
    "\\\n",
    "${A",
    ":-",
    "}",
    '"',
    "'",
    "[",
    "]",
    "#",
    "\n",
    "--from=",
    "a ",
    "ENV A=",
    "$",
    "`",
    "ARG ",
  ];
  let seed = 7;
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed;
  };
  for (let round = 0; round < 3000; round += 1) {
    const text = `FROM x\n${Array.from({ length: next() % 12 }, () => pieces[next() % pieces.length]).join("")}`;
    try {
      const { stages, globals } = parseDockerfile(text, {}, {});
      for (const { instructions } of stages) evaluate(instructions, { config, globals, given: {} });
    } catch (error) {
      assert.ok(error instanceof AtollError, `${JSON.stringify(text)}: ${error}`);
    }
  }
});
