import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { type Route, type RouteName, routes } from "@atoll/protocol";
import type { Static, TSchema } from "typebox";
import { AtollError } from "../error.ts";
import type { Repeatable } from "../sandboxes/answers.ts";

type Part<Name extends RouteName, Key extends "params" | "query"> = (typeof routes)[Name] extends {
  readonly [key in Key]: infer Schema extends TSchema;
}
  ? Static<Schema>
  : unknown;

type Body<Name extends RouteName> = (typeof routes)[Name] extends { readonly body: infer Schema }
  ? Schema extends "bytes"
    ? Readable | undefined
    : Schema extends TSchema
      ? Static<Schema>
      : never
  : undefined;

type Answer<Name extends RouteName> = (typeof routes)[Name]["response"] extends infer Response
  ? Response extends "bytes"
    ? Streamed
    : Response extends "text"
      ? string
      : Response extends string
        ? undefined
        : Response extends TSchema
          ? Static<Response>
          : never
  : never;

/** A decoded request. */
export interface Call<Name extends RouteName> {
  readonly name: Name;
  readonly params: Part<Name, "params">;
  readonly query: Part<Name, "query">;
  readonly body: Body<Name>;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** Of a request that carries an Idempotency-Key. */
  readonly repeatable: Repeatable | undefined;
}

/** A body that is sent as it comes. */
export interface Streamed {
  /** Offset of the first byte. */
  readonly offset: number;
  /** All of it, when it is known. */
  readonly sizeBytes?: number;
  /** application/octet-stream when absent. */
  readonly contentType?: string;
  readonly source: AsyncIterable<Buffer>;
}

export type Handler<Name extends RouteName> = (call: Call<Name>) => Answer<Name> | Promise<Answer<Name>>;
/** A WebSocket is no request with an answer; see terminal.ts. */
export type RequestName = Exclude<RouteName, "terminal">;
export type Handlers = { readonly [Name in RequestName]: Handler<Name> };

const longestKey = 255;

/** What makes a repeated request the same one: the operation, what it is asked of, the key, and the body. */
export function repeatableOf(
  name: RouteName,
  headers: IncomingHttpHeaders,
  params: unknown,
  body: unknown,
): Repeatable | undefined {
  const route: Route = routes[name];
  const key = headers["idempotency-key"];
  if (!route.isIdempotent || key === undefined) return undefined;
  if (typeof key !== "string" || key === "" || key.length > longestKey) {
    throw new AtollError(
      "invalid_argument",
      `cannot use the Idempotency-Key: it must have 1 to ${longestKey} characters`,
    );
  }
  return { scope: `${name} ${JSON.stringify(params ?? {})}`, key, request: body };
}
