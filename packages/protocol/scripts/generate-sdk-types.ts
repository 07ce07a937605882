/**
 * Writes the SDK's types from the table of routes: `node packages/protocol/scripts/generate-sdk-types.ts`.
 * Covers the subset of JSON Schema that `schemas.ts` uses, and throws on anything else.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { errorKinds, type Route, routes, schema } from "../src/index.ts";

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly properties?: { readonly [name: string]: JsonSchema };
  readonly required?: readonly string[];
  readonly patternProperties?: { readonly [pattern: string]: JsonSchema };
}

const scalars: { readonly [type: string]: string } = {
  string: "string",
  integer: "number",
  number: "number",
  boolean: "boolean",
};

/** Schemas that deserve a name of their own, found again inside others by their text. */
const names = new Map<string, string>();
const exported = Object.entries(schema as { readonly [name: string]: unknown }) as [string, JsonSchema][];
const named = exported.filter(([, value]) => isComposite(value));
for (const [name, value] of named) names.set(JSON.stringify(value), name);

function isComposite(value: JsonSchema): boolean {
  return value.anyOf !== undefined || value.properties !== undefined;
}

function typeOf(value: JsonSchema): string {
  return names.get(JSON.stringify(value)) ?? shapeOf(value);
}

function shapeOf(value: JsonSchema): string {
  if (value.const !== undefined) return JSON.stringify(value.const);
  if (value.anyOf) return value.anyOf.map(typeOf).join(" | ");
  if (value.patternProperties) return recordOf(value.patternProperties);
  if (value.type === "array" && value.items) return `readonly ${elementOf(typeOf(value.items))}[]`;
  if (value.type === "object") return objectOf(value);
  if (value.type === undefined) return "unknown";
  const scalar = scalars[value.type];
  if (!scalar) throw new Error(`cannot write a type for the schema ${JSON.stringify(value)}`);
  return scalar;
}

/** A union or an object needs brackets before `[]`. */
function elementOf(type: string): string {
  return /^\w+$/.test(type) ? type : `(${type})`;
}

function recordOf(patterns: { readonly [pattern: string]: JsonSchema }): string {
  const types = Object.values(patterns).map(typeOf).join(" | ");
  return `{ readonly [name: string]: ${types} }`;
}

function objectOf(value: JsonSchema): string {
  const required = new Set(value.required);
  const members = Object.entries(value.properties ?? {}).map(([name, member]) => {
    const type = typeOf(member);
    const field = required.has(name) ? `readonly ${name}: ${type};` : `readonly ${name}?: ${type} | undefined;`;
    return `${documentation(member)}${field}`;
  });
  return `{\n${members.join("\n")}\n}`;
}

function documentation(value: JsonSchema): string {
  return value.description ? `/** ${value.description} */\n` : "";
}

function bodyType(part: Route["body"] | Route["response"]): string {
  if (part === undefined || part === "empty") return "undefined";
  if (part === "bytes") return "Uint8Array";
  if (part === "text") return "string";
  return part === "websocket" ? "WebSocket" : typeOf(part as JsonSchema);
}

/** What a request may send as raw bytes: all at once, or as they come. */
function requestType(part: Route["body"]): string {
  return part === "bytes" ? "Uint8Array | ReadableStream<Uint8Array>" : bodyType(part);
}

function operationType([name, route]: [string, Route]): string {
  const params = route.params ? typeOf(route.params as JsonSchema) : "undefined";
  const query = route.query ? typeOf(route.query as JsonSchema) : "undefined";
  const fields = [
    `readonly params: ${params};`,
    `readonly query: ${query};`,
    `readonly body: ${requestType(route.body)};`,
    `readonly response: ${bodyType(route.response)};`,
  ];
  return `/** ${route.summary}. */\nreadonly ${name}: {\n${fields.join("\n")}\n};`;
}

function operationRow([name, route]: [string, Route]): string {
  const flags = route.isIdempotent ? ", isIdempotent: true" : "";
  return `${name}: { method: "${route.method}", path: "${route.path}"${flags} },`;
}

/** Two spaces for each open brace: the text above carries no layout of its own. */
function indent(source: string): string {
  let depth = 0;
  const lines = source.split("\n").map((line) => {
    if (line.startsWith("}")) depth -= 1;
    const indented = line === "" ? line : "  ".repeat(depth) + line;
    if (line.endsWith("{")) depth += 1;
    return indented;
  });
  return lines.join("\n");
}

/** The whole of `packages/sdk/src/generated/api.ts`. */
export function sdkTypes(): string {
  const operations = Object.entries<Route>(routes);
  const sections = [
    "// Generated from packages/protocol by scripts/generate-sdk-types.ts; change the table of routes instead.",
    `export type ErrorCode =\n${Object.keys(errorKinds)
      .map((code) => `  | "${code}"`)
      .join("\n")};`,
    ...named.map(([name, value]) => `${documentation(value)}export type ${name} = ${shapeOf(value)};`),
    `export interface Operations {\n${operations.map(operationType).join("\n")}\n}`,
    "export type OperationName = keyof Operations;",
    `export const operations = {\n${operations.map(operationRow).join("\n")}\n} as const;`,
  ];
  return indent(`${sections.join("\n\n")}\n`);
}

export const sdkTypesPath = fileURLToPath(new URL("../../sdk/src/generated/api.ts", import.meta.url));

if (import.meta.main) writeFileSync(sdkTypesPath, sdkTypes());
