/** The values of a secret, from where nobody else can see them. */
import { readFile } from "node:fs/promises";
import { parseEnv } from "node:util";
import { CliError, UsageError } from "./errors.ts";
import { fromEnvironment, pair } from "./option.ts";

/** Far above what an environment may hold: execve(2) takes 128 KiB a string. */
const mostStdinBytes = 2 ** 20;

export async function gatherSecret(
  given: readonly string[],
  dotenvFile: string | undefined,
  allowEmpty: boolean,
): Promise<Record<string, string>> {
  if (given.filter((each) => each.endsWith("=-")).length > 1) {
    throw new UsageError("cannot read two values from one stdin", "Give one KEY=-, or pass a dotenv file on stdin.");
  }
  const values = dotenvFile === undefined ? {} : parseDotenv(await readDotenv(dotenvFile));
  const readsStdin = given.length === 0 && dotenvFile === undefined && !process.stdin.isTTY;
  if (readsStdin) Object.assign(values, parseDotenv(await readStdin()));
  for (const each of given) Object.assign(values, await readValue(each));
  if (Object.keys(values).length > 0 || allowEmpty) return values;
  throw new UsageError(
    "cannot create a secret without keys",
    "Give KEY=-, KEY, KEY=VALUE, --from-dotenv or a dotenv file on stdin.",
  );
}

async function readValue(given: string): Promise<Record<string, string>> {
  if (!given.includes("=")) return { [given]: fromEnvironment(given) };
  const [key, value] = pair(given);
  // A file made with echo ends in a newline that is not part of the password.
  return { [key]: value === "-" ? (await readStdin()).replace(/\r?\n$/, "") : value };
}

async function readDotenv(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new CliError("unreadable", `cannot read ${path}: ${(error as Error).message}`, "Check the path.");
  }
}

function parseDotenv(content: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(parseEnv(content))) if (value !== undefined) values[key] = value;
  return values;
}

async function readStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostStdinBytes) throw new UsageError("cannot take more than 1 MiB of stdin as a secret", "Give less.");
  }
  return Buffer.concat(chunks).toString("utf8");
}
