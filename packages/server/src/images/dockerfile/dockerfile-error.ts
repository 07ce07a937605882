import { AtollError } from "../../error.ts";

/** What is wrong with a line, counted from 1. */
export function badLine(line: number, why: string, hint = "Correct the line."): AtollError {
  return new AtollError("invalid_argument", `cannot build line ${line} of the Dockerfile: ${why}`, hint);
}

export function unsupportedLine(line: number, what: string, hint?: string): AtollError {
  const message = `cannot build line ${line} of the Dockerfile: ${what} is not supported`;
  return new AtollError("unsupported", message, hint ?? "See docs/images.md for what Dockerfiles may have.");
}
