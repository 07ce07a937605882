/** An archive from elsewhere, checked and rewritten so that unpacking it makes a layer and reaches nothing outside it. */
import { AtollError } from "../error.ts";
import { padding, readTar, TarError, type TarHeader, tarEnd, tarHeader } from "./tar.ts";

export interface UnpackLimits {
  readonly bytes: number;
  readonly entries: number;
}

export interface CheckOptions {
  readonly limits: UnpackLimits;
  /** `.wh.NAME` removes NAME of the layers below, as in OCI images. */
  readonly hasWhiteouts: boolean;
}

export const opaqueMarker = ".wh..wh..opq";
export const whiteoutPrefix = ".wh.";
/** Times, and the only attributes that mean the same everywhere. `trusted.*` would speak to overlayfs itself. */
export const keptRecords = /^mtime$|^SCHILY\.xattr\.(security\.capability$|user\.)/;

/**
 * Refuses absolute names and `..`, names below a link, hard links to what the archive has not brought, device nodes, sparse
 * files, and archives beyond the limits.
 * @throws AtollError invalid_argument, payload_too_large
 */
export async function* checkedTar(source: AsyncIterable<Buffer>, options: CheckOptions): AsyncGenerator<Buffer> {
  const check = new Check(options);
  try {
    for await (const { header, body } of readTar(source)) {
      const entries = check.take(header);
      for (const entry of entries) yield tarHeader(entry);
      if (entries.at(-1)?.type !== "file") continue;
      yield* body;
      yield padding(header.sizeBytes);
    }
  } catch (error) {
    if (error instanceof TarError) throw refused(`it is damaged: ${error.message}`);
    throw error;
  }
  yield tarEnd;
}

class Check {
  readonly #options: CheckOptions;
  readonly #seen = new Map<string, TarHeader>();
  #bytes = 0;
  #entries = 0;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** What is to be written instead; nothing for an entry without a meaning of its own. */
  take(header: TarHeader): TarHeader[] {
    this.#count(header);
    const name = safeName(header.name);
    if (name === "") return header.type === "directory" ? [this.#kept({ ...header, name: "." }, "")] : [];
    this.#checkWay(name);
    const slash = name.lastIndexOf("/") + 1;
    const last = name.slice(slash);
    if (this.#options.hasWhiteouts && last.startsWith(whiteoutPrefix))
      return this.#whiteout(name.slice(0, slash), last);
    const earlier = this.#seen.get(name);
    if (earlier && !(earlier.type === "directory" && header.type === "directory"))
      throw refused(`it has ${shown(name)} twice`);
    if (header.type === "hardlink") return [this.#kept(this.#hardlink(header, name), name)];
    if (header.type === "character" || header.type === "block") throw refused(`it has a device node: ${shown(name)}`);
    if (header.type === "other") throw refused(`it has an entry of an unknown kind: ${shown(name)}`);
    return [this.#kept({ ...header, name }, name)];
  }

  #kept(header: TarHeader, name: string): TarHeader {
    const records = new Map([...header.records].filter(([key]) => keptRecords.test(key)));
    const kept = { ...header, major: 0, minor: 0, records };
    this.#seen.set(name, kept);
    return header.type === "file" ? kept : { ...kept, sizeBytes: 0 };
  }

  #count(header: TarHeader): void {
    const { limits } = this.#options;
    this.#entries += 1;
    this.#bytes += header.sizeBytes;
    if (this.#entries <= limits.entries && this.#bytes <= limits.bytes) return;
    const what = `more than ${limits.bytes} bytes or ${limits.entries} entries`;
    throw new AtollError("payload_too_large", `cannot unpack the archive: it has ${what}`);
  }

  /** Unpacking would follow a link that the archive itself has made on the way. */
  #checkWay(name: string): void {
    for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
      const parent = this.#seen.get(name.slice(0, slash));
      if (parent && parent.type !== "directory") throw refused(`${shown(name)} is below what is not a directory`);
    }
  }

  #hardlink(header: TarHeader, name: string): TarHeader {
    const link = safeName(header.link);
    const target = this.#seen.get(link);
    if (target?.type === "file" || target?.type === "hardlink") return { ...header, name, link };
    throw refused(`${shown(name)} is a hard link to what it does not have: ${shown(header.link)}`);
  }

  #whiteout(directory: string, last: string): TarHeader[] {
    const way = directory.slice(0, -1);
    if (last === opaqueMarker) {
      const known = this.#seen.get(way) ?? { ...plainDirectory, name: way === "" ? "." : way };
      return [{ ...known, records: new Map([...known.records, ["SCHILY.xattr.trusted.overlay.opaque", "y"]]) }];
    }
    if (last.startsWith(".wh..wh.")) return [];
    const name = `${directory}${last.slice(whiteoutPrefix.length)}`;
    if (last === whiteoutPrefix || last === ".wh.." || last === ".wh...") throw refused(`it removes ${shown(name)}`);
    // It replaces what is below anyway.
    if (this.#seen.has(name)) return [];
    const whiteout = { ...plainDirectory, name, type: "character" as const, mode: 0 };
    this.#seen.set(name, whiteout);
    return [whiteout];
  }
}

const plainDirectory: TarHeader = {
  name: "",
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 0,
  link: "",
  major: 0,
  minor: 0,
  records: new Map(),
};

/** Without leading `./` and trailing slashes. */
function safeName(name: string): string {
  if (name.startsWith("/")) throw refused(`it has an absolute name: ${shown(name)}`);
  if (name.includes("\0") || name.length > 4096) throw refused("it has a name that no file can have");
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refused(`it has a name that leaves it: ${shown(name)}`);
  return parts.join("/");
}

function refused(why: string): AtollError {
  return new AtollError("invalid_argument", `cannot unpack the archive: ${why}`, "Make the archive anew without it.");
}

/** Names come from the archive, and errors go to terminals and logs. */
function shown(name: string): string {
  return JSON.stringify(Buffer.from(name, "latin1").toString().slice(0, 200));
}
