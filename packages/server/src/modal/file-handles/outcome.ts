/** What an operation on files leaves to be fetched: the id that a client gets for it says all of it, so no restart loses it. */
import { type ErrorCode, schema } from "@atoll/protocol";
import Type, { type Static } from "typebox";
import { Check } from "typebox/value";
import { AtollError } from "../../error.ts";
import type { SignedTokens } from "../signed-token.ts";

const Outcome = Type.Union([
  Type.Object({ kind: Type.Literal("done") }),
  Type.Object({ kind: Type.Literal("failed"), errno: Type.Integer(), message: Type.String() }),
  Type.Object({
    kind: Type.Literal("read"),
    path: Type.String(),
    offset: Type.Integer({ minimum: 0 }),
    length: Type.Integer({ minimum: 0 }),
  }),
  Type.Object({ kind: Type.Literal("list"), path: Type.String() }),
  Type.Object({
    kind: Type.Literal("watch"),
    path: Type.String(),
    recursive: Type.Boolean(),
    /** Milliseconds since the epoch. */
    until: Type.Union([Type.Integer(), Type.Null()]),
  }),
]);
const Told = Type.Object({ sandboxId: schema.Sandbox.properties.id, outcome: Outcome });

export type Outcome = Static<typeof Outcome>;
type Told = Static<typeof Told>;

const purpose = "file operation";
/** How long it can be fetched; a watch is fetched again and again. */
const lifetimeMs = 7 * 86_400_000;

export function outcomeId(signed: SignedTokens, told: Told): string {
  return signed.sign(purpose, JSON.stringify(told), lifetimeMs);
}

/** @throws AtollError not_found */
export function outcomeOf(signed: SignedTokens, id: string): Told {
  const text = signed.subject(purpose, id);
  const told: unknown = text === undefined ? undefined : JSON.parse(text);
  if (Check(Told, told)) return told;
  throw new AtollError("not_found", "cannot find the operation on files: this server gave no such id, or long ago");
}

/** SystemErrorCode has the numbers of errno(3), those that it has. */
const errnos: Readonly<Partial<Record<ErrorCode, number>>> = {
  file_not_found: 2,
  filesystem_error: 5,
  capacity: 12,
  permission_denied: 13,
  file_exists: 17,
  not_a_directory: 20,
  is_a_directory: 21,
  not_empty: 22,
  read_only: 22,
  invalid_argument: 22,
  payload_too_large: 27,
  no_space: 28,
};

/** Failures that are the client's to know; undefined for one that ends the call. */
export function failed(error: unknown): Outcome | undefined {
  if (!(error instanceof AtollError)) return undefined;
  const errno = errnos[error.code];
  return errno === undefined ? undefined : { kind: "failed", errno, message: error.message };
}
