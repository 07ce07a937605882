/** The part of `fetch` that the SDK needs, so that it can be had faster than from `fetch` where there is a way. */

export interface FetchRequest {
  readonly method: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal | null;
}

/** The part of `Response` that is used. */
export type Answer = Pick<Response, "ok" | "status" | "text" | "body"> & {
  readonly headers: { get(name: string): string | null };
};

export type Fetch = (url: string, request: FetchRequest) => Promise<Answer>;

interface Runtime {
  readonly process?: { readonly versions?: { readonly node?: string; readonly bun?: string } };
  readonly Deno?: unknown;
}

let chosen: Promise<Fetch> | undefined;

/** Node's own HTTP client in Node: a request through its `fetch` takes twice as long. The global `fetch` elsewhere. */
export function runtimeFetch(): Promise<Fetch> {
  chosen ??= isNode() ? import("./node-fetch.ts").then(({ nodeFetch }) => nodeFetch) : Promise.resolve(globalFetch);
  return chosen;
}

const globalFetch: Fetch = (url, request) => fetch(url, standardRequest(request));

/** `duplex` is what the Fetch standard wants to be told of a body that is sent as it comes. */
export function standardRequest(request: FetchRequest): RequestInit {
  return (request.body instanceof ReadableStream ? { ...request, duplex: "half" } : request) as RequestInit;
}

/** Bun and Deno are compatible with some Node, and have a fast `fetch` of their own. */
function isNode(): boolean {
  const { process, Deno } = globalThis as Runtime;
  return process?.versions?.node !== undefined && process.versions.bun === undefined && Deno === undefined;
}
