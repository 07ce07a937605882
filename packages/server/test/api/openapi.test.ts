import assert from "node:assert/strict";
import { test } from "node:test";
import { openapi, type Route, routes } from "@atoll/protocol";

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly security?: unknown[];
  readonly parameters: Parameter[];
  readonly responses: { readonly [status: string]: { content: { "application/json": { schema: { $ref: string } } } } };
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
  readonly components: {
    readonly securitySchemes: { readonly token: { readonly scheme: string } };
    readonly schemas: { readonly [name: string]: unknown };
  };
}

/** As a client reads it. */
const document: Document = JSON.parse(JSON.stringify(openapi("1.2.3")));

function operationOf(route: Route): Operation {
  const operation = document.paths[route.path]?.[route.method.toLowerCase()];
  assert.ok(operation, route.path);
  return operation;
}

function* walk(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return;
  yield value as Record<string, unknown>;
  for (const item of Object.values(value)) yield* walk(item);
}

test("the document says what it is", () => {
  assert.equal(document.openapi, "3.1.0");
  assert.equal(document.info.version, "1.2.3");
  assert.equal(document.components.securitySchemes.token.scheme, "bearer");
});

test("every route of the table is an operation with a name of its own, and there are no others", () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  assert.deepEqual(operations.map(({ operationId }) => operationId).sort(), Object.keys(routes).sort());
  for (const [name, route] of Object.entries<Route>(routes)) {
    assert.equal(operationOf(route).operationId, name);
  }
});

test("every reference leads to a schema", () => {
  const references = [...walk(document)].flatMap(({ $ref }) => (typeof $ref === "string" ? [$ref] : []));
  assert.ok(references.length > 20);
  for (const reference of references) {
    const name = reference.replace("#/components/schemas/", "");
    assert.ok(document.components.schemas[name], reference);
  }
});

test("every parameter in a path is declared, and is required", () => {
  for (const [path, methods] of Object.entries(document.paths)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { parameters } of Object.values(methods)) {
      const declared = parameters.filter((parameter) => parameter.in === "path");
      assert.deepEqual(declared.map(({ name }) => name).sort(), names.sort());
      assert.ok(declared.every(({ required }) => required));
    }
  }
});

test("every operation tells its success and the shape of its errors, and whether it needs a token", () => {
  for (const [name, route] of Object.entries<Route>(routes)) {
    const operation = operationOf(route);
    assert.ok(operation.summary, name);
    assert.equal(operation.responses.default?.content["application/json"].schema.$ref, "#/components/schemas/Error");
    assert.equal(Object.keys(operation.responses).length, 2);
    assert.deepEqual(operation.security, route.isPublic ? [] : undefined);
    assert.equal(
      operation.parameters.some((parameter) => parameter.name === "Idempotency-Key"),
      route.isIdempotent === true,
    );
  }
});
