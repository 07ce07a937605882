import Type, { type Static, type TSchema } from "typebox";
import { Check } from "typebox/value";
import { AtollError } from "../../error.ts";

/** The program that the clients run for `sandbox.filesystem`, with what it shall do as JSON. */
export const program = "/__modal/.bin/modal-sandbox-fs-tools";
const mostJsonBytes = 64 * 1024;

const path = Type.String({ pattern: "^/[^\\u0000]*$", maxLength: 4096 });
const shapes = {
  ReadFile: Type.Object({ path }),
  WriteFile: Type.Object({ path }),
  ListFiles: Type.Object({ path }),
  Stat: Type.Object({ path }),
  MakeDirectory: Type.Object({ path, parents: Type.Boolean() }),
  Remove: Type.Object({ path, recursive: Type.Boolean() }),
  Watch: Type.Object({
    path,
    recursive: Type.Boolean(),
    filter: Type.Union([Type.Null(), Type.Array(Type.String({ maxLength: 32 }), { maxItems: 64 })]),
    timeout_secs: Type.Union([Type.Null(), Type.Number({ minimum: 0, maximum: 1e9 })]),
  }),
} as const;

type Shapes = typeof shapes;
export type CommandName = keyof Shapes;
export type Command = { [Name in CommandName]: { readonly name: Name } & Static<Shapes[Name]> }[CommandName];
export type WatchCommand = Extract<Command, { name: "Watch" }>;

/** Pure. @throws AtollError invalid_argument */
export function commandOf(argv: readonly string[]): Command {
  const [, json = ""] = argv;
  if (argv.length !== 2 || json.length > mostJsonBytes) throw invalid("one argument with one operation is needed");
  const [[name, fields] = [], ...others] = Object.entries(parsed(json));
  if (name === undefined || others.length > 0 || !Object.hasOwn(shapes, name)) {
    throw invalid(`it is none of ${Object.keys(shapes).join(", ")}`);
  }
  const shape: TSchema = shapes[name as CommandName];
  if (!Check(shape, fields)) throw invalid(`the fields of ${name} are not those it has, or its path is not absolute`);
  return { name, ...(fields as object) } as Command;
}

function parsed(json: string): object {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below, as for a value of another kind.
  }
  throw invalid("the argument is no JSON object");
}

function invalid(why: string): AtollError {
  return new AtollError("invalid_argument", `cannot do the operation on files: ${why}`);
}
