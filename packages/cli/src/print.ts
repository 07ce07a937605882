/** Writing to the terminal or the pipe behind stdout and stderr. */

/** Waits until the bytes are taken, so that a slow reader slows us down. Rejects with EPIPE when the reader is gone. */
export function write(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

export function printLine(line: string): Promise<void> {
  return write(process.stdout, `${line}\n`);
}

export function printJson(value: unknown): Promise<void> {
  return printLine(JSON.stringify(value, undefined, 2));
}

/** Columns as wide as their widest cell; the last one is not padded. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): Promise<void> {
  return write(process.stdout, `${tableLines(header, rows).join("\n")}\n`);
}

/** Pure. */
export function tableLines(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column < cells.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell)).join("  ");
  return [header, ...rows].map((cells) => line(cells).trimEnd());
}

/** `name: value` with the values below each other; pairs without a value are left out. */
export function printPairs(pairs: readonly (readonly [name: string, value: string | undefined])[]): Promise<void> {
  return write(process.stdout, `${pairLines(pairs).join("\n")}\n`);
}

/** Pure. */
export function pairLines(pairs: readonly (readonly [name: string, value: string | undefined])[]): string[] {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${`${name}:`.padEnd(width + 1)}  ${value}`);
}

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Colours only where a person looks: on a terminal, and not with NO_COLOR (no-color.org). */
export function paint(style: keyof typeof styles, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.isTTY && !process.env.NO_COLOR ? `\x1b[${styles[style]}m${text}\x1b[0m` : text;
}

/** Control characters of names and messages from elsewhere must not reach the terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
