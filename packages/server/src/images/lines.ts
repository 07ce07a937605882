const longestLine = 8192;

/** Text by line, also a last one without an end; what is longer than a line should be comes in parts. */
export async function* lines(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of source) {
    rest += decoder.decode(piece, { stream: true });
    // A progress bar rewrites its line with carriage returns.
    const parts = rest.split(/\r?\n|\r(?!$)/);
    rest = parts.pop() ?? "";
    yield* parts;
    for (; rest.length > longestLine; rest = rest.slice(longestLine)) yield rest.slice(0, longestLine);
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
