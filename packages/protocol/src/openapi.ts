/** The OpenAPI 3.1 document of the native API, made from the table that serves it. */
import { errorKinds } from "./errors.ts";
import { type Route, routes } from "./routes.ts";
import * as schemas from "./schemas.ts";

type Json = { readonly [key: string]: unknown };

/** Schemas that are worth a name of their own, by identity. */
const named = new Map<unknown, string>(
  Object.entries(schemas).flatMap(([name, value]) => (isObjectSchema(value) ? [[value, name] as const] : [])),
);

export function openapi(version: string): Json {
  return {
    openapi: "3.1.0",
    info: {
      title: "Atoll",
      version,
      description: "Sandboxes on your own machine: create them, run processes in them, stream what they say.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ token: [] }],
    paths: paths(),
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        ...Object.fromEntries([...named].map(([schema, name]) => [name, plain(schema, true)])),
        Error: errorSchema,
      },
    },
  };
}

const errorSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message", "hint", "requestId"],
      properties: {
        code: { type: "string", enum: Object.keys(errorKinds) },
        message: { type: "string" },
        hint: { type: "string" },
        requestId: { type: "string" },
      },
    },
  },
};

function paths(): Json {
  const found: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    const path = found[route.path] ?? {};
    path[route.method.toLowerCase()] = operation(name, route);
    found[route.path] = path;
  }
  return found;
}

function operation(operationId: string, route: Route): Json {
  return {
    operationId,
    summary: route.summary,
    ...(route.isPublic && { security: [] }),
    parameters: parameters(route),
    ...(route.body !== undefined && {
      requestBody: { required: route.body !== "bytes", content: content(route.body) },
    }),
    responses: {
      [status(route)]: { description: "Done", ...answer(route) },
      default: { description: "Failed", content: { "application/json": { schema: ref("Error") } } },
    },
  };
}

function status(route: Route): string {
  return route.response === "websocket" ? "101" : String(route.status ?? 200);
}

function parameters(route: Route): Json[] {
  const inPath = Object.entries(route.params?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "path",
    required: true,
    schema: plain(schema),
  }));
  const required = new Set<string>(route.query?.required ?? []);
  const inQuery = Object.entries(route.query?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.has(name),
    schema: plain(schema),
  }));
  return [...inPath, ...inQuery, ...(route.isIdempotent ? [idempotencyKey] : [])];
}

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "A repetition with the same key within 24 hours gets the first answer and makes nothing new.",
  schema: { type: "string", minLength: 1, maxLength: 255 },
};

function answer(route: Route): Json {
  if (route.response === "empty" || route.response === "websocket") return {};
  const headers = {
    "Atoll-Offset": { description: "Offset of the first byte.", schema: { type: "integer" } },
  };
  return { ...(route.response === "bytes" && { headers }), content: content(route.response) };
}

function content(body: unknown): Json {
  if (body === "bytes") return { "application/octet-stream": { schema: {} } };
  if (body === "text") return { "text/plain": { schema: { type: "string" } } };
  return { "application/json": { schema: plain(body) } };
}

/** The schema as JSON, with references in place of those that have a name. */
function plain(value: unknown, isDefinition = false): unknown {
  const name = named.get(value);
  if (name !== undefined && !isDefinition) return ref(name);
  if (Array.isArray(value)) return value.map((item) => plain(item));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

function isObjectSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && "type" in value && value.type === "object";
}
