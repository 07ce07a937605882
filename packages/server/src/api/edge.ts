import type { Route, RouteName } from "@atoll/protocol";
import { routes } from "@atoll/protocol";
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  LogController,
} from "fastify";
import type { Logger } from "pino";
import { answerSignal } from "../answer-signal.ts";
import { AtollError } from "../error.ts";
import { randomText } from "../id.ts";
import type { Admission } from "./admission.ts";
import { errorAnswer } from "./answer-error.ts";
import { type Call, type Handlers, type RequestName, repeatableOf, type Streamed } from "./call.ts";
import { typedQuery } from "./query.ts";
import { sendStream } from "./stream.ts";

export interface EdgeOptions {
  readonly handlers: Handlers;
  readonly admission: Admission;
  readonly log: Logger;
  /** Aborted when the server stops: waits end. */
  readonly stopping: AbortSignal;
}

const jsonBodyBytes = 8 * 1024 * 1024;
const noQuery = { type: "object", additionalProperties: false, properties: {} } as const;
type AnyHandler = (call: Call<RequestName>) => unknown;

/** The native API over HTTP, one route for each row of the table. */
export function edge(options: EdgeOptions): FastifyInstance {
  const app = fastify({
    loggerInstance: options.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => `req-${randomText(16)}`,
    bodyLimit: jsonBodyBytes,
    exposeHeadRoutes: false,
    forceCloseConnections: "idle",
    routerOptions: { maxParamLength: 256 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
  });
  app.addHook("onRequest", async (request, reply) => admit(options, request, reply));
  app.setErrorHandler((error, request, reply) => answerError(options, error, request, reply));
  app.setNotFoundHandler((request, reply) => answerUnknown(options, request, reply));
  acceptEmptyJson(app);
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    for (const name of requestNames) if (isRaw(routes[name])) addRoute(scope, options, name);
  });
  for (const name of requestNames) if (!isRaw(routes[name])) addRoute(app, options, name);
  return app;
}

const requestNames = (Object.keys(routes) as RouteName[]).filter((name): name is RequestName => name !== "terminal");

function isRaw(route: Route): boolean {
  return route.body === "bytes";
}

function addRoute(app: FastifyInstance, options: EdgeOptions, name: RequestName): void {
  const route: Route = routes[name];
  const { query } = route;
  app.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ":$1"),
    // A long answer has no head worth asking for alone; a short one has.
    exposeHeadRoute: route.method === "GET" && route.response !== "bytes",
    config: { isPublic: route.isPublic === true },
    schema: {
      querystring: query ?? noQuery,
      ...(route.params && { params: route.params }),
      ...(typeof route.body === "object" && { body: route.body }),
    },
    ...(query && {
      preValidation: async (request: FastifyRequest) => {
        request.query = typedQuery(query, request.query as Record<string, unknown>);
      },
    }),
    handler: (request, reply) => handle(options, name, request, reply),
  });
}

async function handle(options: EdgeOptions, name: RequestName, request: FastifyRequest, reply: FastifyReply) {
  const signal = answerSignal(reply.raw, options.stopping);
  const handler = options.handlers[name] as AnyHandler;
  const { params, query, body, headers } = request;
  const repeatable = repeatableOf(name, headers, params, body);
  const answer = await handler({ name, params, query, body, signal, repeatable } as never);
  const route: Route = routes[name];
  if (route.response === "bytes") return stream(reply, answer as Streamed, signal);
  if (route.response === "empty") return reply.code(204).send();
  if (route.response === "text") return reply.type("text/plain; version=0.0.4; charset=utf-8").send(answer);
  return reply.code(route.status ?? 200).send(answer);
}

async function stream(reply: FastifyReply, answer: Streamed, signal: AbortSignal): Promise<void> {
  reply.hijack();
  const headers = { "x-request-id": String(reply.getHeader("x-request-id")) };
  await sendStream(reply.raw, headers, answer, signal);
}

function admit({ admission }: EdgeOptions, request: FastifyRequest, reply: FastifyReply): void {
  reply.header("x-request-id", request.id);
  admission.checkOrigin(request.headers);
  const config = request.routeOptions.config as { readonly isPublic?: boolean };
  if (!config.isPublic) admission.checkToken(request.headers);
}

function answerError(options: EdgeOptions, error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const isStopping = options.stopping.aborted && !(error instanceof AtollError);
  const told = isStopping ? new AtollError("unavailable", "cannot answer: the server is stopping") : error;
  const { status, body } = errorAnswer(told, request.id);
  const level = status >= 500 && !isStopping && !reply.raw.destroyed ? "error" : "debug";
  options.log[level]({ requestId: request.id, route: request.routeOptions.url, code: body.error.code, err: error });
  // What is left of an upload that was refused would be in the way of the connection's next request.
  request.raw.resume();
  return reply.code(status).send(body);
}

const methods = ["GET", "POST", "PUT", "DELETE"] as const;

function answerUnknown(options: EdgeOptions, request: FastifyRequest, reply: FastifyReply) {
  const path = request.url.split("?", 1)[0] ?? "";
  const allowed = methods.filter((method) => knows(method, path));
  if (allowed.length > 0) reply.header("allow", allowed.join(", "));
  const error =
    allowed.length > 0
      ? new AtollError("method_not_allowed", `cannot ${request.method} ${path}: it takes ${allowed.join(" and ")}`)
      : new AtollError("not_found", `cannot find ${path}`, "See /openapi.json for what there is.");
  return answerError(options, error, request, reply);
}

function knows(method: string, path: string): boolean {
  return Object.values(routes).some((route) => route.method === method && pathPattern(route.path).test(path));
}

export function pathPattern(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, "\\.").replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`);
}

/** Many clients name a content type on every request, with a body or without. */
function acceptEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else parse(request, body as string, done);
  });
}
