/** What the daemon and init say to each other, as values. native/PROTOCOL.md says what each of it means. */
import { type Frame, FrameWriter, PayloadReader, ProtocolError } from "./frames.ts";

export const protocolVersion = 1;

/** Most bytes of type and payload. */
export const toInitLimit = 1 << 20;
export const fromInitLimit = 128 << 10;
/** Most bytes of one OUTPUT. */
export const outputLimit = 64 << 10;
/** Most bytes of a stream that init sends ahead of their acknowledgement. */
export const outputWindow = 1 << 20;
/** Most bytes of stdin that the daemon sends ahead of their acknowledgement. */
export const stdinWindow = 64 << 10;

/** 1 is stdout, 2 is stderr. */
export type Stream = 1 | 2;

/** A program to start. */
export interface StartRequest {
  /** Never used before in this sandbox. */
  readonly process: number;
  readonly argv: readonly string[];
  /** NAME=value; init adds HOME, USER and LOGNAME when they are missing. */
  readonly env: readonly string[];
  /** NAME, UID, NAME:GROUP or UID:GID; "" is root. */
  readonly user: string;
  /** "": the home directory if it exists, else "/". */
  readonly cwd: string;
  /** Present: the process gets a terminal of this size. */
  readonly pty?: { readonly rows: number; readonly cols: number } | undefined;
  /** Run init's own program, to which argv goes, instead of looking argv[0] up; not with a terminal. */
  readonly isBuiltIn?: boolean;
  /** Keep stdin open for writeStdin; otherwise it reads as empty. A terminal always is open. */
  readonly stdin: boolean;
  /** RLIMIT_NOFILE; 0 leaves what init inherited. */
  readonly openFilesLimit: number;
}

/** What the daemon has of a process: init continues behind these offsets (bytes). */
export interface Resumption {
  readonly process: number;
  readonly stdout: number;
  readonly stderr: number;
}

export type FromInit =
  | { readonly kind: "hello"; readonly version: number; readonly processes: readonly number[] }
  | { readonly kind: "setupDone"; readonly request: number; readonly errno: number; readonly step: string }
  | { readonly kind: "started"; readonly process: number; readonly pid: number }
  | { readonly kind: "startFailed"; readonly process: number; readonly errno: number; readonly step: string }
  | { readonly kind: "stdinAck"; readonly process: number; readonly offset: number; readonly closed: boolean }
  | {
      readonly kind: "output";
      readonly process: number;
      readonly stream: Stream;
      readonly offset: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: "eof"; readonly process: number; readonly stream: Stream; readonly offset: number }
  | { readonly kind: "unknown"; readonly process: number }
  | { readonly kind: "exited"; readonly process: number; readonly status: number }
  | { readonly kind: "probeResult"; readonly request: number; readonly errno: number }
  | { readonly kind: "pong"; readonly request: number }
  | { readonly kind: "mountDone"; readonly request: number; readonly errno: number; readonly step: string };

const steps = new Set(["user", "cwd", "exec", "pty", "fork", "limit"]);

function stream(reader: PayloadReader): Stream {
  const value = reader.u8();
  if (value !== 1 && value !== 2) throw new ProtocolError(`cannot accept output of stream ${value}`);
  return value;
}

function flag(reader: PayloadReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new ProtocolError(`cannot accept ${value} as yes or no`);
  return value === 1;
}

function failureErrno(reader: PayloadReader): number {
  const value = reader.u32();
  if (value === 0 || value > 4095) throw new ProtocolError(`cannot accept errno ${value}`);
  return value;
}

function startStep(reader: PayloadReader): string {
  const value = reader.text();
  if (!steps.has(value)) throw new ProtocolError("cannot accept an unknown step of a start");
  return value;
}

function setupStep(reader: PayloadReader): string {
  const value = reader.text();
  if (!/^[a-z._]{0,32}$/.test(value)) throw new ProtocolError("cannot accept an unknown step of a setup");
  return value;
}

function outputBytes(reader: PayloadReader): Buffer {
  const bytes = reader.rest();
  if (bytes.length === 0 || bytes.length > outputLimit) {
    throw new ProtocolError(`cannot accept ${bytes.length} bytes of output at once`);
  }
  return bytes;
}

const decoders: Readonly<Record<number, (reader: PayloadReader) => FromInit>> = {
  129: (r) => ({ kind: "hello", version: r.u32(), processes: r.list(4, () => r.u32()) }),
  130: (r) => ({ kind: "setupDone", request: r.u32(), errno: r.u32(), step: setupStep(r) }),
  131: (r) => ({ kind: "started", process: r.u32(), pid: r.u32() }),
  132: (r) => ({ kind: "startFailed", process: r.u32(), errno: failureErrno(r), step: startStep(r) }),
  133: (r) => ({ kind: "stdinAck", process: r.u32(), offset: r.offset(), closed: flag(r) }),
  134: (r) => ({ kind: "output", process: r.u32(), stream: stream(r), offset: r.offset(), bytes: outputBytes(r) }),
  135: (r) => ({ kind: "eof", process: r.u32(), stream: stream(r), offset: r.offset() }),
  136: (r) => ({ kind: "unknown", process: r.u32() }),
  137: (r) => ({ kind: "exited", process: r.u32(), status: r.i32() }),
  138: (r) => ({ kind: "probeResult", request: r.u32(), errno: r.u32() }),
  139: (r) => ({ kind: "pong", request: r.u32() }),
  140: (r) => ({ kind: "mountDone", request: r.u32(), errno: r.u32(), step: setupStep(r) }),
};

/** @throws ProtocolError on an unknown type or a payload that is not exactly what the type has */
export function messageOf(frame: Frame): FromInit {
  const decode = decoders[frame.type];
  if (decode === undefined) throw new ProtocolError(`cannot accept a frame of type ${frame.type}`);
  const reader = new PayloadReader(frame.payload);
  const message = decode(reader);
  reader.end();
  return message;
}

function write(type: number, fill: (writer: FrameWriter) => FrameWriter): Buffer {
  return fill(new FrameWriter()).frame(type, toInitLimit);
}

/** Frames to init. Each throws RangeError when a value does not fit, or the frame exceeds 1 MiB. */
export const frameFor = {
  resume: (known: readonly Resumption[]): Buffer =>
    write(0x01, (w) =>
      w.list(known, (item) => {
        w.u32(item.process).offset(item.stdout).offset(item.stderr);
      }),
    ),
  setup: (request: number, root: string, hostname: string, mostProcesses: number): Buffer =>
    write(0x02, (w) => w.u32(request).text(root).text(hostname).u32(mostProcesses)),
  start: (start: StartRequest): Buffer =>
    write(0x03, (w) =>
      w
        .u32(start.process)
        .u8((start.pty === undefined ? 0 : 1) | (start.stdin ? 2 : 0) | (start.isBuiltIn ? 4 : 0))
        .u16(start.pty?.rows ?? 0)
        .u16(start.pty?.cols ?? 0)
        .u32(start.openFilesLimit)
        .text(start.user)
        .text(start.cwd)
        .list(start.argv, (item) => w.text(item))
        .list(start.env, (item) => w.text(item)),
    ),
  stdin: (process: number, offset: number, bytes: Buffer): Buffer =>
    write(0x04, (w) => w.u32(process).offset(offset).bytes(bytes)),
  stdinEof: (process: number, offset: number): Buffer => write(0x05, (w) => w.u32(process).offset(offset)),
  ack: (process: number, which: Stream, offset: number): Buffer =>
    write(0x06, (w) => w.u32(process).u8(which).offset(offset)),
  release: (process: number): Buffer => write(0x07, (w) => w.u32(process)),
  signal: (process: number, signo: number): Buffer => write(0x08, (w) => w.u32(process).u8(signo)),
  resize: (process: number, rows: number, cols: number): Buffer =>
    write(0x09, (w) => w.u32(process).u16(rows).u16(cols)),
  killAll: (signo: number): Buffer => write(0x0a, (w) => w.u8(signo)),
  probe: (request: number, port: number): Buffer => write(0x0b, (w) => w.u32(request).u16(port)),
  ping: (request: number): Buffer => write(0x0c, (w) => w.u32(request)),
  mount: (request: number, source: string, target: string): Buffer =>
    write(0x0e, (w) => w.u32(request).text(source).text(target)),
  unmount: (request: number, source: string, target: string): Buffer =>
    write(0x0f, (w) => w.u32(request).text(source).text(target)),
  hangUp: (): Buffer => write(0x0d, (w) => w),
} as const;
