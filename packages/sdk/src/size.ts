import { InvalidError } from "./errors.ts";

const units: { readonly [unit: string]: number } = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** Bytes of a size given as a number of bytes or as text such as `512MiB` or `1.5GB`. */
export function sizeInBytes(option: string, size: number | string): number {
  if (typeof size === "number") return size;
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*$/.exec(size) ?? [];
  const factor = unit === undefined ? undefined : units[unit];
  if (amount === undefined || factor === undefined) {
    throw new InvalidError(`cannot use ${JSON.stringify(size)} as the size ${option}`, {
      code: "invalid_argument",
      hint: `Write a number of bytes, or a number with one of ${Object.keys(units).join(", ")}, such as "512MiB".`,
    });
  }
  return Math.round(Number(amount) * factor);
}
