import { createHash } from "node:crypto";
import { AtollError } from "../error.ts";

/**
 * Clients see from the shape of a sandbox's id which family of calls it takes: `sb-` and 22 characters is the first, anything else the second.
 * Here both are the same sandbox, so the second family's id is the first's with two characters more.
 */
export type Family = "v1" | "v2";
const mark = { v1: "", v2: "V2" } as const;

export function familyId(sandboxId: string, family: Family): string {
  return sandboxId + mark[family];
}

/** @throws AtollError not_found */
export function sandboxIdOf(given: string): string {
  const id = /^(sb-[0-9A-Za-z]{22})(?:V2)?$/.exec(given)?.[1];
  if (id === undefined) throw new AtollError("not_found", `cannot find the sandbox ${JSON.stringify(given)}`);
  return id;
}

/** A sandbox has one task, which has its key. Those of the second family end in "V". */
export function taskIdOf(sandboxId: string, family: Family): string {
  return `ta-${sandboxId.slice(3)}${family === "v2" ? "V" : ""}`;
}

/** @throws AtollError not_found */
export function sandboxOfTask(taskId: string): string {
  const key = /^ta-([0-9A-Za-z]{22})V?$/.exec(taskId)?.[1];
  if (key === undefined) throw new AtollError("not_found", `cannot find the task ${JSON.stringify(taskId)}`);
  return `sb-${key}`;
}

/** Callers name processes themselves, and the same name always means the same process. */
export function processIdOf(execId: string): string {
  const number = BigInt(`0x${createHash("sha256").update(execId).digest("hex")}`);
  return `ex-${base62(number).slice(0, 22)}`;
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function base62(number: bigint): string {
  let text = "";
  for (let rest = number; text.length < 22; rest /= 62n) text += alphabet[Number(rest % 62n)];
  return text;
}

/** Every id of theirs has a prefix and 22 characters; our base image has no id but its name. */
const baseImageId = `im-${"0".repeat(22)}`;

export function imageIdOf(image: string): string {
  return image === "base" ? baseImageId : image;
}

export function imageOf(imageId: string): string {
  return imageId === baseImageId || imageId === "" ? "base" : imageId;
}
