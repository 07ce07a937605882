/** Questions of sandboxes to the name server, and what they are answered (RFC 1035, 4.1): pure. */

export interface Query {
  readonly id: number;
  /** In lower case, without a dot at its end; a byte that no name of a host has makes it one that nothing is found for. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly isRecursionDesired: boolean;
  /** The bytes of the question: clients compare what comes back, in the case that they asked in. */
  readonly question: Buffer;
}

/** RCODE of a header. */
export const codes = { ok: 0, malformed: 1, failed: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

export type Code = (typeof codes)[keyof typeof codes];

/** TYPE of IPv4 addresses, and CLASS of the internet. */
export const [typeA, classIn] = [1, 1];

/** With the question these stay within the 512 bytes that every client takes over UDP. */
export const mostAddresses = 14;

const headerBytes = 12;
const longestName = 255;
const longestLabel = 63;

/**
 * @returns the code of a refusal for what is a query of a kind that is not answered; undefined for what is none at all, which is not
 * answered, since two servers could else answer each other for ever
 */
export function decodeQuery(bytes: Buffer): Query | { readonly id: number; readonly refusal: Code } | undefined {
  if (bytes.length < headerBytes) return undefined;
  const [id, flags, questions] = [bytes.readUInt16BE(0), bytes.readUInt16BE(2), bytes.readUInt16BE(4)];
  const isResponse = (flags & 0x8000) !== 0;
  if (isResponse) return undefined;
  const opcode = (flags >> 11) & 15;
  if (opcode !== 0) return { id, refusal: codes.notImplemented };
  const name = questions === 1 ? decodeName(bytes, headerBytes) : undefined;
  if (!name || name.end + 4 > bytes.length) return { id, refusal: codes.malformed };
  return {
    id,
    name: name.text,
    type: bytes.readUInt16BE(name.end),
    class: bytes.readUInt16BE(name.end + 2),
    isRecursionDesired: (flags & 0x0100) !== 0,
    question: bytes.subarray(headerBytes, name.end + 4),
  };
}

/** Nothing stands before a question's name that it could point to, so a compressed one is malformed. */
function decodeName(bytes: Buffer, start: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  for (let at = start; at < bytes.length && at - start < longestName; ) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { text: labels.join("."), end: at + 1 };
    if (length > longestLabel) return undefined;
    const label = bytes.toString("latin1", at + 1, at + 1 + length).toLowerCase();
    labels.push(/^[a-z0-9_-]+$/.test(label) ? label : "?");
    at += 1 + length;
  }
  return undefined;
}

export interface Answer {
  readonly code: Code;
  /** IPv4; those beyond `mostAddresses` are left out. */
  readonly addresses?: readonly string[];
  readonly ttlSeconds?: number;
}

export function encodeAnswer(query: Query, { code, addresses = [], ttlSeconds = 0 }: Answer): Buffer {
  const given = addresses.slice(0, mostAddresses);
  const records = given.map((address) => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(0xc000 | headerBytes, 0); // the question's name
    record.writeUInt16BE(typeA, 2);
    record.writeUInt16BE(classIn, 4);
    record.writeUInt32BE(ttlSeconds, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split(".").map(Number), 12);
    return record;
  });
  return Buffer.concat([header(query.id, code, query.isRecursionDesired, 1, given.length), query.question, ...records]);
}

/** As it goes over TCP (RFC 1035, 4.2.2). */
export function withLength(message: Buffer): Buffer {
  const prefix = Buffer.alloc(2);
  prefix.writeUInt16BE(message.length);
  return Buffer.concat([prefix, message]);
}

export function encodeRefusal(id: number, code: Code): Buffer {
  return header(id, code, false, 0, 0);
}

function header(id: number, code: Code, isRecursionDesired: boolean, questions: number, answers: number): Buffer {
  const [response, recursionDesired, recursionAvailable] = [0x8000, 0x0100, 0x0080];
  const bytes = Buffer.alloc(headerBytes);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(response | (isRecursionDesired ? recursionDesired : 0) | recursionAvailable | code, 2);
  bytes.writeUInt16BE(questions, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}
