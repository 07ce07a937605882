/** A layer as overlayfs has it, as other tools have it: https://github.com/opencontainers/image-spec, layer.md. The way back is checked-tar.ts. */
import { AtollError } from "../error.ts";
import { keptRecords, opaqueMarker, whiteoutPrefix } from "./checked-tar.ts";
import { padding, readTar, type TarHeader, tarEnd, tarHeader } from "./tar.ts";

const opaqueRecord = "SCHILY.xattr.trusted.overlay.opaque";
const capabilityRecord = "SCHILY.xattr.security.capability";

/**
 * The same bytes for the same layer, always.
 * @param raw the directory of a layer, as tar(1) archives `.`
 * @throws AtollError unsupported for what such an archive cannot say
 */
export async function* portableTar(raw: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const names = new Names();
  for await (const { header, body } of readTar(raw)) {
    for (const entry of names.take(header)) yield tarHeader(entry);
    if (header.type !== "file") continue;
    yield* body;
    yield padding(header.sizeBytes);
  }
  yield tarEnd;
}

class Names {
  /** What was other than a file or directory: an archive has no hard links to these, and overlayfs has them to one whiteout for many names. */
  readonly #special = new Map<string, TarHeader>();

  take(header: TarHeader): readonly TarHeader[] {
    const name = relativeName(header.name);
    const slash = name.lastIndexOf("/") + 1;
    if (name.startsWith(whiteoutPrefix, slash)) throw unsayable(name, "other tools take the name for a removal");
    const isHardLink = header.type === "hardlink";
    const link = isHardLink ? relativeName(header.link) : header.link;
    const original = isHardLink ? this.#special.get(link) : undefined;
    const { type, link: target } = original ?? { type: header.type, link };
    const records = keptOf(header);
    const kept: TarHeader = { ...header, name, type, link: target, major: 0, minor: 0, records };
    if (type === "directory") return this.#directory(kept, header.records.get(opaqueRecord) === "y");
    if (type === "file" || type === "hardlink") return [kept];
    this.#special.set(name, kept);
    if (type === "symlink" || type === "fifo") return [kept];
    const isWhiteout = type === "character" && header.major === 0 && header.minor === 0;
    if (!isWhiteout) throw unsayable(name, `it is a ${type} device`);
    return [marker(`${name.slice(0, slash)}${whiteoutPrefix}${name.slice(slash)}`)];
  }

  #directory(kept: TarHeader, isOpaque: boolean): TarHeader[] {
    const directory = { ...kept, name: kept.name === "" ? "./" : `${kept.name}/` };
    return isOpaque ? [directory, marker(`${kept.name === "" ? "" : directory.name}${opaqueMarker}`)] : [directory];
  }
}

/** An empty file, whose name says all. */
function marker(name: string): TarHeader {
  const owner = { uid: 0, gid: 0, mode: 0, mtime: 0, sizeBytes: 0, link: "", major: 0, minor: 0 };
  return { name, type: "file", ...owner, records: new Map() };
}

function keptOf({ records }: TarHeader): Map<string, string> {
  const kept = new Map([...records].filter(([key]) => keptRecords.test(key)));
  const capability = kept.get(capabilityRecord);
  if (capability !== undefined) kept.set(capabilityRecord, plainCapability(capability));
  return kept;
}

/**
 * The kernel notes the root user that a capability of a file belongs to, in version 3 of the attribute; of the sandbox's own, which is 0, version 2
 * says the same and is what others know. See capabilities(7).
 */
function plainCapability(value: string): string {
  const bytes = Buffer.from(value, "latin1");
  const isOfRoot = bytes.length === 24 && bytes.readUInt8(3) === 3 && bytes.readUInt32LE(20) === 0;
  if (!isOfRoot) return value;
  bytes.writeUInt8(2, 3);
  return bytes.toString("latin1", 0, 20);
}

function relativeName(name: string): string {
  return name.replace(/^\.\//, "").replace(/^\.$/, "").replace(/\/+$/, "");
}

function unsayable(name: string, why: string): AtollError {
  const shown = JSON.stringify(Buffer.from(name, "latin1").toString().slice(0, 200));
  const hint = "Remove it in a sandbox, and take a snapshot of that.";
  return new AtollError("unsupported", `cannot make a portable image: it has ${shown}, and ${why}`, hint);
}
