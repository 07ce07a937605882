/** One server's native API: requests with their retries, and errors as `AtollError`. */
import { abortError, checkAborted, sleep, untilAborted } from "./abort.ts";
import { type Endpoint, type EndpointSource, endpointFromEnvironment, environment, fixedEndpoint } from "./endpoint.ts";
import { AtollError, ConnectionError, errorFromAnswer } from "./errors.ts";
import { type Answer, type Fetch, runtimeFetch, standardRequest } from "./fetch.ts";
import { type OperationName, type Operations, operations } from "./generated/api.ts";
import { type AnyInput, type Headers, requestBody, requestHeaders, requestPath } from "./request.ts";

export interface ClientOptions {
  /** Address of the server. When absent: `ATOLL_URL`, else the machine's own server, started if needed. */
  readonly baseUrl?: string | undefined;
  /** A token of `atoll token create`; used with `baseUrl`. When absent: `ATOLL_TOKEN`. */
  readonly token?: string | undefined;
  /** Used for all requests; when absent, the fastest way the runtime has. */
  readonly fetch?: typeof fetch | undefined;
  /** How long to try again after a lost connection, in milliseconds; 15000 when absent, 0 for never. */
  readonly retryForMs?: number | undefined;
}

/** What every call of the SDK takes. */
export interface CallOptions {
  /** Ends the wait; what was asked of the server may still happen. */
  readonly signal?: AbortSignal | undefined;
  /** The server to call; `defaultClient()` when absent. */
  readonly client?: Client | undefined;
}

type Part<Name extends string, Value> = [Value] extends [undefined] ? unknown : { readonly [name in Name]: Value };
type OptionalPart<Name extends string, Value> = [Value] extends [undefined]
  ? unknown
  : { readonly [name in Name]?: Value };

/** What an operation takes: its path parameters, query and body, and a signal that ends the wait. */
export type RequestInput<Name extends OperationName> = Part<"params", Operations[Name]["params"]> &
  OptionalPart<"query", Operations[Name]["query"]> &
  Part<"body", Operations[Name]["body"]> & {
    readonly signal?: AbortSignal | undefined;
    /** Do not send it again when its answer is lost. A body that is a stream is sent once in any case. */
    readonly isOnce?: true | undefined;
  };

/** Repeating one of these does it twice: a second signal, a second token. */
const notRepeatable: ReadonlySet<OperationName> = new Set<OperationName>([
  "signalProcess",
  "createToken",
  "makeDirectory",
  "removeFile",
  "renameFile",
  "createVolume",
  "makeVolumeDirectory",
  "removeVolumeFile",
  "renameVolumeFile",
]);
const firstPauseMs = 25;
const longestPauseMs = 1_000;
/** A client that never had an answer more likely has a wrong address than a restarting server. */
const unprovenRetryMs = 1_000;
/** A request that waited this long was being served (runtimes cut off answers that take minutes): a new count of patience. */
const steadyMs = 5_000;

export class Client {
  readonly #source: EndpointSource;
  /** Undefined until the first request when it is the runtime's. */
  #fetch: Fetch | undefined;
  readonly #retryForMs: number;
  #endpoint: Promise<Endpoint> | undefined;
  #hasAnswered = false;

  constructor(options: ClientOptions = {}) {
    this.#source = options.baseUrl
      ? fixedEndpoint(options.baseUrl, options.token ?? environment().ATOLL_TOKEN)
      : endpointFromEnvironment();
    const { fetch } = options;
    this.#fetch = fetch && ((url, request) => fetch(url, standardRequest(request)));
    this.#retryForMs = options.retryForMs ?? 15_000;
  }

  /** Calls an operation of the native API and returns its JSON answer. */
  async request<Name extends OperationName>(
    name: Name,
    input: RequestInput<Name>,
  ): Promise<Operations[Name]["response"]> {
    return (await this.#repeat(name, input as AnyInput, readJson)) as Operations[Name]["response"];
  }

  /** Calls an operation and returns its answer with the body unread. */
  open<Name extends OperationName>(name: Name, input: RequestInput<Name>): Promise<Answer> {
    return this.#repeat(name, input as AnyInput, async (response) => response);
  }

  /** The server's address and token, found or started on first use. */
  endpoint(signal?: AbortSignal): Promise<Endpoint> {
    // Not aborted by one caller's signal: others wait for the same server.
    this.#endpoint ??= this.#source.find().catch((error) => {
      this.#endpoint = undefined;
      throw error;
    });
    return untilAborted(this.#endpoint, signal);
  }

  /** How long a lost connection is worth trying again, in milliseconds. */
  get retryForMs(): number {
    return this.#retryForMs;
  }

  /** Looks the address up again, as a restarted server may have another one. */
  async findAgain(): Promise<void> {
    const last = await this.endpoint();
    this.#endpoint = Promise.resolve(await this.#source.findAgain(last));
  }

  async #repeat<Value>(
    name: OperationName,
    input: AnyInput,
    read: (response: Answer) => Promise<Value>,
  ): Promise<Value> {
    const headers = requestHeaders(name, input);
    let failingSince: number | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const attemptedAt = Date.now();
      try {
        return await this.#attempt(name, input, headers, read);
      } catch (error) {
        checkAborted(input.signal);
        if (!(error instanceof ConnectionError) || !mayRepeat(name, input, error)) throw error;
        const now = Date.now();
        if (now - attemptedAt > steadyMs) failingSince = now;
        failingSince ??= attemptedAt;
        if (now - failingSince + pauseMs > this.#patienceMs()) throw error;
      }
      await sleep(pauseMs, input.signal);
      await this.findAgain();
    }
  }

  #patienceMs(): number {
    return this.#hasAnswered ? this.#retryForMs : Math.min(this.#retryForMs, unprovenRetryMs);
  }

  async #attempt<Value>(
    name: OperationName,
    input: AnyInput,
    headers: Headers,
    read: (response: Answer) => Promise<Value>,
  ): Promise<Value> {
    checkAborted(input.signal);
    const endpoint = await this.endpoint(input.signal);
    const response = await this.#fetchOnce(endpoint, name, input, headers);
    this.#hasAnswered = true;
    try {
      if (response.ok) return await read(response);
      throw await answeredError(response);
    } catch (cause) {
      throw failure(cause, endpoint, input.signal);
    }
  }

  async #fetchOnce(endpoint: Endpoint, name: OperationName, input: AnyInput, headers: Headers): Promise<Answer> {
    const authorization = endpoint.token ? { authorization: `Bearer ${endpoint.token}` } : undefined;
    try {
      this.#fetch ??= await runtimeFetch();
      return await this.#fetch(endpoint.baseUrl + requestPath(name, input), {
        method: operations[name].method,
        headers: { ...headers, ...authorization },
        body: requestBody(input.body),
        signal: input.signal ?? null,
      });
    } catch (cause) {
      throw failure(cause, endpoint, input.signal);
    }
  }
}

async function readJson(response: Answer): Promise<unknown> {
  const text = await response.text();
  if (text === "") return undefined;
  if (!response.headers.get("content-type")?.includes("json")) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw errorFromAnswer(response.status, text, response.headers.get("x-request-id") ?? undefined);
  }
}

async function answeredError(response: Answer): Promise<AtollError> {
  const body = await response.text();
  return errorFromAnswer(response.status, body, response.headers.get("x-request-id") ?? undefined);
}

/** What `fetch` and body readers throw, which differs between runtimes, as an `AtollError`. */
export function failure(cause: unknown, endpoint: Endpoint, signal: AbortSignal | undefined): AtollError {
  if (signal?.aborted) return abortError(signal);
  return cause instanceof AtollError ? cause : lostConnection(endpoint, cause);
}

function lostConnection(endpoint: Endpoint, cause: unknown): ConnectionError {
  const reason = connectionCause(cause);
  const message = `cannot reach the Atoll server at ${endpoint.baseUrl}${reason ? `: ${reason}` : ""}`;
  const hint = "Check that it runs with `atoll status`, and that ATOLL_URL is its address.";
  return new ConnectionError(message, { code: "connection_failed", hint, cause });
}

/** The system's own word for it, such as ECONNREFUSED. */
function connectionCause(cause: unknown): string | undefined {
  const inner = cause instanceof Error && cause.cause ? cause.cause : cause;
  const { code, message } = inner as { code?: string; message?: string };
  return code ?? message;
}

/** An operation that must not be done twice may be repeated only if it was not done at all. */
function mayRepeat(name: OperationName, input: AnyInput, error: ConnectionError): boolean {
  if (input.body instanceof ReadableStream) return false;
  if (!notRepeatable.has(name) && !input.isOnce) return true;
  return error.status === 503 || ["ECONNREFUSED", "ConnectionRefused"].includes(connectionCause(error.cause) ?? "");
}

let shared: Client | undefined;

/** The client that is used when none is passed: from `ATOLL_URL` and `ATOLL_TOKEN`, else the machine's own server. */
export function defaultClient(): Client {
  shared ??= new Client();
  return shared;
}
