/** One operation of the native API, as the table of routes says it. */
import type { TObject, TSchema } from "typebox";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

export interface Route {
  readonly method: Method;
  /** Path with `{name}` parameters, as OpenAPI writes it. */
  readonly path: string;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  /** A JSON body, or `bytes` for a raw one. */
  readonly body?: TSchema | "bytes";
  /** A JSON answer, `bytes` for a streamed one, `websocket` for an upgrade, `text` for plain text. */
  readonly response: TSchema | "bytes" | "websocket" | "text" | "empty";
  readonly status?: 200 | 201 | 204;
  /** Served without a token. */
  readonly isPublic?: true;
  /** Honours the `Idempotency-Key` header. */
  readonly isIdempotent?: true;
}
