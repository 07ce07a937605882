/** Who `--chown` means: names are those of the image. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AtollError } from "../error.ts";
import { placeIn } from "../layers/place.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** @param root the stack, mounted. @throws AtollError invalid_argument for a name that the image does not know */
export async function ownerOf(root: string, text: string): Promise<Owner> {
  const [user = "", group] = text.split(":");
  const passwd = await rowsOf(root, "/etc/passwd");
  const number = (word: string) => (/^\d{1,9}$/.test(word) ? Number(word) : undefined);
  const row = passwd.find(([name]) => name === user);
  const uid = number(user) ?? number(row?.[2] ?? "");
  if (uid === undefined) throw unknown("user", user);
  // As Docker has it: the number of the user where a group is not named and the image does not know the user.
  if (group === undefined) return { uid, gid: number(user) ?? number(row?.[3] ?? "") ?? uid };
  const groups = await rowsOf(root, "/etc/group");
  const gid = number(group) ?? number(groups.find(([name]) => name === group)?.[2] ?? "");
  if (gid === undefined) throw unknown("group", group);
  return { uid, gid };
}

async function rowsOf(root: string, path: string): Promise<string[][]> {
  const place = await placeIn(root, path);
  if (!place.exists) return [];
  const text = await readFile(join(root, place.path), "utf8");
  return text.split("\n").map((line) => line.split(":"));
}

function unknown(kind: string, name: string): AtollError {
  return new AtollError(
    "invalid_argument",
    `cannot give files to the ${kind} "${name}": the image has no such ${kind}`,
    "Use a number, or make it with RUN before.",
  );
}
