/** Where the server is: told by the program, by the environment, or found on this machine. */
import { ConnectionError, InvalidError } from "./errors.ts";

export interface Endpoint {
  /** Such as `http://127.0.0.1:7070`, without a slash at the end. */
  readonly baseUrl: string;
  readonly token?: string | undefined;
}

export interface EndpointSource {
  /** The server to talk to; may start this machine's own. */
  find(): Promise<Endpoint>;
  /** The same server after a lost connection: one that restarted may have moved to another port. Never starts one. */
  findAgain(last: Endpoint): Promise<Endpoint>;
}

type Environment = { readonly [name: string]: string | undefined };

/** Environment variables where the runtime has them (Node, Bun, Deno); none in a browser. */
export function environment(): Environment {
  return (globalThis as { process?: { env?: Environment } }).process?.env ?? {};
}

export function fixedEndpoint(baseUrl: string, token: string | undefined): EndpointSource {
  if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) throw notAnAddress(baseUrl);
  const endpoint = { baseUrl: baseUrl.replace(/\/+$/, ""), token };
  return { find: async () => endpoint, findAgain: async () => endpoint };
}

/** `ATOLL_URL` and `ATOLL_TOKEN`, else the machine's own server. */
export function endpointFromEnvironment(): EndpointSource {
  const { ATOLL_URL: url, ATOLL_TOKEN: token } = environment();
  return url ? fixedEndpoint(url, token) : localEndpoint;
}

const localEndpoint: EndpointSource = {
  async find() {
    if (!runsOnMachine()) throw nowhereToConnect();
    const { findOrStartServer } = await import("./local-server.ts");
    return findOrStartServer();
  },
  async findAgain(last) {
    const { readServerFile } = await import("./local-server.ts");
    return (await readServerFile()) ?? last;
  },
};

/** Node, Bun and Deno all say which Node they are compatible with; a browser does not. */
function runsOnMachine(): boolean {
  return (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node !== undefined;
}

function nowhereToConnect(): ConnectionError {
  return new ConnectionError("cannot tell where the Atoll server is", {
    code: "connection_failed",
    hint: "Pass a client: new Client({ baseUrl, token }).",
  });
}

function notAnAddress(baseUrl: string): InvalidError {
  return new InvalidError(`cannot use ${JSON.stringify(baseUrl)} as the address of a server`, {
    code: "invalid_argument",
    hint: "Give an http or https address, such as http://127.0.0.1:7070.",
  });
}
