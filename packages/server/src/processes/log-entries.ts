/** Output as lines with the time at which each came. */
import { AtollError } from "../error.ts";
import type { OutputLog } from "./output-log.ts";
import type { Mark } from "./output-times.ts";
import type { StreamName } from "./process.ts";
import { wholeCharacters } from "./whole-characters.ts";

export interface LogEntry {
  /** Milliseconds since the epoch, accurate to a tenth of a second. */
  readonly at: number;
  readonly stream: StreamName;
  /** With its line feed, if it has one. */
  readonly text: string;
}

/** What came from `since` on and before `until`, in milliseconds since the epoch. */
export interface LogRange {
  readonly since: number;
  readonly until: number;
  /** Only lines that have this in them. */
  readonly search?: string | undefined;
}

export interface Stream {
  readonly name: StreamName;
  readonly log: OutputLog;
  /** What comes behind it is left out. */
  readonly end: number;
}

/** A line that is longer becomes several. */
const longestLine = 64 * 1024;
const blockBytes = 256 * 1024;
/** Of all entries of an answer. */
const mostBytes = 48 * 1024 * 1024;
const lineFeed = 10;

/**
 * The newest `limit` entries of a range, the oldest first.
 * @throws AtollError payload_too_large when they have too many bytes
 */
export async function newestEntries(
  streams: readonly Stream[],
  range: LogRange,
  limit: number,
  signal: AbortSignal,
): Promise<LogEntry[]> {
  const found = await Promise.all(streams.map((stream) => newestOf(stream, range, limit, signal)));
  return found
    .flat()
    .sort((a, b) => a.at - b.at)
    .slice(-limit);
}

/** Every entry of a range, in groups as they are read. */
export async function* entriesOf(stream: Stream, range: LogRange, signal: AbortSignal): AsyncGenerator<LogEntry[]> {
  const marks = await stream.log.marks();
  yield* entriesFrom(stream, marks, firstByte(marks, range.since), range, signal);
}

async function newestOf(stream: Stream, range: LogRange, limit: number, signal: AbortSignal): Promise<LogEntry[]> {
  const marks = await stream.log.marks();
  const first = firstByte(marks, range.since);
  const last = Math.min(firstByte(marks, range.until), stream.end);
  // Without a search all lines count, so that those far from the end need not be read.
  const from = range.search === undefined ? await startOfLast(stream.log, first, last, limit, signal) : first;
  let newest: LogEntry[] = [];
  for await (const entries of entriesFrom(stream, marks, from, range, signal)) {
    newest = [...newest, ...entries].slice(-limit);
    if (newest.reduce((sum, { text }) => sum + text.length, 0) > mostBytes)
      throw new AtollError(
        "payload_too_large",
        `cannot answer with more than ${mostBytes} bytes of log entries`,
        "Ask for a shorter time or fewer entries, or read the output itself.",
      );
  }
  return newest;
}

/** Where a stream was at an instant. */
function firstByte(marks: readonly Mark[], at: number): number {
  return marks.find((mark) => mark.at >= at)?.offset ?? Number.POSITIVE_INFINITY;
}

/** Where the last `count` lines that end before `to` begin; a line that is cut at `from` is one too. */
async function startOfLast(log: OutputLog, from: number, to: number, count: number, signal: AbortSignal) {
  let missing = count;
  for (let end = to; end > from; ) {
    const begin = Math.max(from, end - blockBytes);
    const block = await bytesOf(log, begin, end, signal);
    // The one that ends the last line begins none.
    for (let at = block.length - 1; at >= 0; at -= 1) {
      if (block[at] !== lineFeed || begin + at === to - 1) continue;
      missing -= 1;
      if (missing === 0) return begin + at + 1;
    }
    end = begin;
  }
  return from;
}

async function bytesOf(log: OutputLog, from: number, to: number, signal: AbortSignal): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(piecesOf(log, from, to, signal)));
}

async function* piecesOf(log: OutputLog, from: number, to: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  if (from >= to) return;
  let at = from;
  for await (const piece of log.read(from, false, signal)) {
    yield piece.subarray(0, to - at);
    at += piece.length;
    if (at >= to) return;
  }
}

/** Lines that begin at or behind an offset. */
async function* entriesFrom(
  { name, log, end }: Stream,
  marks: readonly Mark[],
  offset: number,
  { until, search }: LogRange,
  signal: AbortSignal,
): AsyncGenerator<LogEntry[]> {
  let next = 0;
  const timeOf = (line: Line) => {
    while ((marks[next + 1]?.offset ?? Number.POSITIVE_INFINITY) <= line.offset) next += 1;
    return marks[next]?.at ?? 0;
  };
  // The byte before it tells whether a line begins there.
  const before = Math.max(0, offset - 1);
  for await (const lines of linesOf(piecesOf(log, before, end, signal), before)) {
    const entries = lines
      .filter((line) => line.offset >= offset)
      .map((line) => ({ at: timeOf(line), stream: name, text: line.bytes.toString() }));
    yield entries.filter(({ at, text }) => at < until && (search === undefined || text.includes(search)));
    if ((entries.at(-1)?.at ?? 0) >= until) return;
  }
}

interface Line {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** In groups as they are complete. */
async function* linesOf(pieces: AsyncIterable<Buffer>, from: number): AsyncGenerator<Line[]> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = from;
  for await (const piece of pieces) {
    rest = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
    const lines: Line[] = [];
    for (let length = lineLength(rest); length > 0; length = lineLength(rest)) {
      lines.push({ offset, bytes: rest.subarray(0, length) });
      offset += length;
      rest = rest.subarray(length);
    }
    yield lines;
  }
  if (rest.length > 0) yield [{ offset, bytes: rest }];
}

/** 0 while more of it has to come. */
function lineLength(bytes: Buffer): number {
  const end = bytes.indexOf(lineFeed) + 1;
  if (end > 0 && end <= longestLine) return end;
  return bytes.length >= longestLine ? wholeCharacters(bytes.subarray(0, longestLine)) : 0;
}
