/** A Dockerfile's stages: what begins with each FROM. Pure. */
import { badLine } from "./dockerfile-error.ts";
import { checkFlags, type Instruction, instructionsOf } from "./instruction.ts";
import { logicalLines } from "./lines.ts";
import { expand, type Variables, WordError } from "./words.ts";

export interface Stage {
  readonly line: number;
  readonly index: number;
  readonly name: string | undefined;
  /** An image, or the name of an earlier stage; `scratch` for an empty root. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly stages: readonly Stage[];
  /** ARGs from before the first FROM; a stage has those that it declares again. */
  readonly globals: Variables;
}

/** @throws AtollError that names the line */
export function parseDockerfile(text: string, buildArguments: Variables, platform: Variables): Dockerfile {
  const stages: { -readonly [K in keyof Stage]: Stage[K] }[] = [];
  const globals: Record<string, string | undefined> = {};
  for (const instruction of instructionsOf(logicalLines(text))) {
    const { keyword, line } = instruction;
    if (keyword === "FROM") {
      stages.push(stageOf(instruction, { ...platform, ...globals }, stages.length));
      continue;
    }
    const stage = stages.at(-1);
    if (stage) stage.instructions = [...stage.instructions, instruction];
    else if (keyword === "ARG")
      Object.assign(globals, declaredArguments(instruction, globals, platform, buildArguments));
    else throw badLine(line, `${keyword} comes before FROM`, "Begin the Dockerfile with FROM IMAGE.");
  }
  if (stages.length === 0) throw badLine(1, "the Dockerfile has no FROM", "Begin it with FROM IMAGE.");
  return { stages, globals };
}

/** Instructions that go on from an image, without FROM. @throws AtollError that names the line */
export function parseCommands(text: string): Instruction[] {
  const instructions = instructionsOf(logicalLines(text));
  const from = instructions.find(({ keyword }) => keyword === "FROM");
  if (from)
    throw badLine(from.line, "FROM has no place here: an image is gone on from", "Use a whole Dockerfile instead.");
  return instructions;
}

function stageOf(instruction: Instruction, variables: Variables, index: number): Stage {
  const { line, rest, escaper } = instruction;
  checkFlags(instruction, "platform");
  const words = rest.split(/\s+/).filter((word) => word !== "");
  const [image = "", as, name] = words;
  if (words.length !== 1 && !(words.length === 3 && as?.toLowerCase() === "as"))
    throw badLine(line, "FROM takes an image and a name", "Write FROM IMAGE, or FROM IMAGE AS NAME.");
  const from = expandLine(line, image, variables, escaper);
  if (from === "") throw badLine(line, "FROM names no image");
  if (name !== undefined && !/^[a-z][a-z0-9_.-]*$/i.test(name)) throw badLine(line, `${name} cannot name a stage`);
  checkPlatform(instruction, variables);
  return { line, index, name: name?.toLowerCase(), from, instructions: [] };
}

/** Sandboxes run what the machine runs. */
function checkPlatform({ line, flags, escaper }: Instruction, variables: Variables): void {
  const wanted = expandLine(line, flags.get("platform") ?? "", variables, escaper);
  const own = variables.TARGETPLATFORM ?? "";
  if (wanted === "" || wanted === own || own.startsWith(`${wanted}/`) || wanted.startsWith(`${own}/`)) return;
  throw badLine(line, `this machine is ${own}, and cannot run ${wanted}`, "Leave --platform out.");
}

/**
 * What an ARG declares: given with the build, or its default, or what is known from before the first FROM.
 * @param variables what defaults may use
 */
export function declaredArguments(
  { line, rest, escaper }: Instruction,
  variables: Variables,
  known: Variables,
  given: Variables,
): Record<string, string | undefined> {
  const declared: Record<string, string | undefined> = {};
  for (const word of rest.match(/(?:[^\s"']|"(?:\\.|[^"])*"|'[^']*')+/g) ?? []) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (!/^[A-Za-z_]\w*$/.test(name)) throw badLine(line, `${name} cannot name an argument`);
    const otherwise = equals < 0 ? known[name] : expandLine(line, word.slice(equals + 1), variables, escaper);
    declared[name] = given[name] ?? otherwise;
  }
  return declared;
}

/** @throws AtollError that names the line */
export function expandLine(line: number, text: string, variables: Variables, escaper: string): string {
  try {
    return expand(text, variables, escaper);
  } catch (error) {
    if (error instanceof WordError) throw badLine(line, error.message);
    throw error;
  }
}

/** The stage that is wanted, by name or number; the last one when none is named. @throws AtollError invalid_argument */
export function targetStage({ stages }: Dockerfile, target: string | undefined): Stage {
  const found = target === undefined ? stages.at(-1) : stageNamed(stages, target);
  if (found) return found;
  const names = stages.flatMap(({ name }) => name ?? []).join(", ");
  throw badLine(
    stages.at(-1)?.line ?? 1,
    `no stage is named ${target}`,
    `There are: ${names || "stages without names"}.`,
  );
}

/** Among stages that come before: names first, then numbers. */
export function stageNamed(stages: readonly Stage[], name: string): Stage | undefined {
  const wanted = name.toLowerCase();
  return stages.findLast((stage) => stage.name === wanted) ?? (/^\d+$/.test(name) ? stages[Number(name)] : undefined);
}
