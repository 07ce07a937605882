/** The server name in a TLS ClientHello (RFC 8446, 4.1.2; RFC 6066, 3), from the first bytes of a connection: pure. */

export type Hello =
  | { readonly state: "incomplete" }
  | { readonly state: "unusable"; readonly why: string }
  | { readonly state: "complete"; readonly serverName: string };

/** More than any client sends, with the keys of several post-quantum exchanges in it. */
export const longestHello = 16 * 1024;

const [handshakeRecord, clientHello, serverNameExtension, echExtension] = [22, 1, 0, 0xfe0d];
const [recordHeader, handshakeHeader] = [5, 4];
/** More pieces than any client makes of it; to put very many together again and again would cost much time. */
const mostRecords = 16;

export function isTls(first: number): boolean {
  return first === handshakeRecord;
}

/** @param bytes all that the client has sent so far */
export function decodeHello(bytes: Buffer): Hello {
  const message = handshakeIn(bytes);
  if (typeof message === "string") return unusable(message);
  if (message.length >= handshakeHeader) {
    if (message[0] !== clientHello) return unusable("it does not begin with a ClientHello");
    const length = message.readUIntBE(1, 3);
    if (length > longestHello) return unusable("its ClientHello is too long");
    if (message.length >= handshakeHeader + length)
      return decodeBody(message.subarray(handshakeHeader, handshakeHeader + length));
  }
  return bytes.length >= 2 * longestHello ? unusable("its ClientHello is too long") : { state: "incomplete" };
}

/** What the records carry that are there so far: a ClientHello may be split over several. */
function handshakeIn(bytes: Buffer): Buffer | string {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== handshakeRecord) return "it is no TLS handshake";
    if (at + recordHeader > bytes.length) break;
    const [major, length] = [bytes[at + 1], bytes.readUInt16BE(at + 3)];
    if (major !== 3 || length === 0 || length > longestHello) return "it is no TLS handshake";
    if (parts.length === mostRecords) return "its ClientHello is in too many pieces";
    parts.push(bytes.subarray(at + recordHeader, at + recordHeader + length));
    at += recordHeader + length;
  }
  return Buffer.concat(parts);
}

function decodeBody(body: Buffer): Hello {
  try {
    const reader = new Reader(body);
    reader.take(2 + 32); // version, random
    reader.vector(1); // session
    reader.vector(2); // cipher suites
    reader.vector(1); // compression
    const extensions = new Reader(reader.isAtEnd ? Buffer.alloc(0) : reader.vector(2));
    if (!reader.isAtEnd) return unusable("its ClientHello is malformed");
    return nameIn(extensions);
  } catch {
    return unusable("its ClientHello is malformed");
  }
}

/** Extensions must not repeat: two names, of which a server may read the other, would be one too many. */
function nameIn(extensions: Reader): Hello {
  const seen = new Set<number>();
  let serverName = "";
  while (!extensions.isAtEnd) {
    const [type, data] = [extensions.number(2), extensions.vector(2)];
    if (seen.has(type)) return unusable("its ClientHello is malformed");
    seen.add(type);
    if (type === serverNameExtension) serverName = hostNameIn(new Reader(data));
  }
  if (seen.has(echExtension)) return unusable("it may hide its server name (encrypted ClientHello)");
  return serverName === "" ? unusable("it names no server") : { state: "complete", serverName };
}

function hostNameIn(extension: Reader): string {
  const names = new Reader(extension.vector(2));
  const [type, name] = [names.number(1), names.vector(2)];
  if (!(extension.isAtEnd && names.isAtEnd) || type !== 0) throw new RangeError("cannot read the server name");
  return name.toString("latin1");
}

function unusable(why: string): Hello {
  return { state: "unusable", why };
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError("cannot read beyond the end");
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  number(bytes: 1 | 2): number {
    return this.take(bytes).readUIntBE(0, bytes);
  }

  /** Bytes with their count in front of them. */
  vector(lengthBytes: 1 | 2): Buffer {
    return this.take(this.number(lengthBytes));
  }
}
