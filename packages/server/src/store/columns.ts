import type { SQLOutputValue } from "node:sqlite";

/** Values as SQLite gives them, read as what the schema says they are. */
export type Columns = Record<string, SQLOutputValue>;

export const text = (value: SQLOutputValue | undefined): string => String(value);
export const number = (value: SQLOutputValue | undefined): number => Number(value);
export const bytes = (value: SQLOutputValue | undefined): Uint8Array =>
  value instanceof Uint8Array ? value : new Uint8Array();
export const maybeText = (value: SQLOutputValue | undefined): string | undefined =>
  value === null || value === undefined ? undefined : String(value);
export const maybeNumber = (value: SQLOutputValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value);

/** The column was written by `JSON.stringify` of the same type. */
export function json<T>(value: SQLOutputValue | undefined): T {
  return JSON.parse(text(value)) as T;
}

export function maybeJson<T>(value: SQLOutputValue | undefined): T | undefined {
  return value === null || value === undefined ? undefined : json<T>(value);
}

export function jsonOrNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
