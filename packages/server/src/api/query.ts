import type { TObject } from "typebox";

type Property = { readonly type?: string };

/**
 * A query string knows only text. Turns what looks like the number or truth value that the schema asks for into one, and
 * one value of a list into a list; the rest is left for the schema to refuse.
 */
export function typedQuery(schema: TObject, query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const properties: Readonly<Record<string, Property>> = schema.properties;
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, typed(properties[name]?.type, value)]));
}

function typed(type: string | undefined, value: unknown): unknown {
  if (type === "array") return Array.isArray(value) ? value : [value];
  if (type === "integer" && typeof value === "string" && /^-?\d{1,16}$/.test(value)) return Number(value);
  if (type === "boolean" && (value === "true" || value === "false")) return value === "true";
  return value;
}
