/** Durations and sizes as people write them. */
import { UsageError } from "./errors.ts";

const durationUnits: { readonly [unit: string]: number } = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of `30s`, `5m`, `1h30m`, `250ms`; a number alone is seconds. */
export function duration(text: string): number {
  const isPlain = /^\d+(\.\d+)?$/.test(text);
  const parts = [...(isPlain ? `${text}s` : text).matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  const isWhole = parts.length > 0 && parts.map((part) => part[0]).join("") === (isPlain ? `${text}s` : text);
  const total = parts.reduce((sum, part) => sum + Number(part[1]) * (durationUnits[part[2] ?? ""] ?? Number.NaN), 0);
  if (isWhole && total >= 1) return Math.round(total);
  throw new UsageError(`cannot read ${JSON.stringify(text)} as a duration`, "Write it as 30s, 5m, 1h30m or 250ms.");
}

const sizeUnits: { readonly [unit: string]: number } = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes of `512MiB`, `2GB`, `1.5g`; a number alone is bytes. K, M and G alone are powers of 1024, as docker has them. */
export function size(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text);
  const unit = match?.[2]?.toLowerCase() ?? "?";
  const factor = Object.hasOwn(sizeUnits, unit) ? sizeUnits[unit] : undefined;
  if (match && factor !== undefined) return Math.round(Number(match[1]) * factor);
  throw new UsageError(
    `cannot read ${JSON.stringify(text)} as a size`,
    "Write it as 512MiB, 2GB or a number of bytes.",
  );
}

/** `2 GiB`, `512 MiB`: at most one digit after the point. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 2 ** (10 * power);
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[power]}`;
}

/** `450 ms`, `3.2 s`, `5 m`, `2 h`, `4 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const steps = [
    { unit: "d", ms: 86_400_000 },
    { unit: "h", ms: 3_600_000 },
    { unit: "m", ms: 60_000 },
    { unit: "s", ms: 1000 },
  ];
  const step = steps.find((candidate) => ms >= candidate.ms) ?? { unit: "s", ms: 1000 };
  const value = ms / step.ms;
  return `${Number.isInteger(value) || value >= 10 ? Math.round(value) : value.toFixed(1)} ${step.unit}`;
}
