/** Plain requests against a server under test. */
import assert from "node:assert/strict";
import type { ErrorBody, Process, Sandbox, SandboxCreate } from "@atoll/protocol";

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export class TestClient {
  readonly url: string;
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...(init.headers as Record<string, string>) };
    return fetch(this.url + path, { signal: AbortSignal.timeout(20_000), ...init, headers });
  }

  async call<T = unknown>(method: string, path: string, body?: unknown, headers = {}): Promise<Answer<T>> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const response = await this.fetch(path, { method, ...json, headers: { ...type, ...headers } });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : undefined) as T };
  }

  /** The answer's body; fails the test when the request failed. */
  async ok<T>(method: string, path: string, body?: unknown, headers = {}): Promise<T> {
    const answer = await this.call<T>(method, path, body, headers);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** The error of a request that is to fail. */
  async error(method: string, path: string, body?: unknown, headers = {}): Promise<ErrorBody["error"]> {
    const answer = await this.call<ErrorBody>(method, path, body, headers);
    assert.ok(answer.status >= 400, `${method} ${path} answered ${answer.status}`);
    return answer.body.error;
  }

  create(request: SandboxCreate = {}, headers = {}): Promise<Sandbox> {
    return this.ok("POST", "/v1/sandboxes", request, headers);
  }

  shell(script: string, request: SandboxCreate = {}): Promise<Sandbox> {
    return this.create({ ...request, command: ["sh", "-c", script] });
  }

  exec(sandbox: string, ...argv: string[]): Promise<Process> {
    return this.ok("POST", `/v1/sandboxes/${sandbox}/processes`, { argv });
  }

  wait(sandbox: string): Promise<Sandbox> {
    return this.ok("GET", `/v1/sandboxes/${sandbox}/wait`);
  }

  waitProcess(sandbox: string, id: string): Promise<Process> {
    return this.ok("GET", `/v1/sandboxes/${sandbox}/processes/${id}/wait`);
  }

  output(sandbox: string, id: string, query = "", stream = "stdout"): Promise<Response> {
    return this.fetch(`/v1/sandboxes/${sandbox}/processes/${id}/output/${stream}${query}`);
  }

  async text(sandbox: string, id = "main", query = "", stream = "stdout"): Promise<string> {
    return await (await this.output(sandbox, id, query, stream)).text();
  }

  stdin(sandbox: string, id: string, query: string, body: BodyInit): Promise<Response> {
    const headers = { "content-type": "application/octet-stream" };
    return this.fetch(`/v1/sandboxes/${sandbox}/processes/${id}/stdin${query}`, { method: "POST", body, headers });
  }

  async terminateAll(): Promise<void> {
    const { items } = await this.ok<{ items: Sandbox[] }>("GET", "/v1/sandboxes?limit=1000");
    await Promise.all(items.map(({ id }) => this.call("POST", `/v1/sandboxes/${id}/terminate`)));
  }
}
