/** Files as one tar archive, the same for the same files. */
import { padding, type TarHeader, tarEnd, tarHeader } from "../../layers/tar.ts";

export interface Member {
  readonly name: string;
  readonly sizeBytes: number;
  open(): AsyncIterable<Buffer> | Iterable<Buffer>;
}

export function archiveSize(members: readonly Member[]): number {
  const sizes = members.map(
    (member) => tarHeader(headerOf(member)).length + member.sizeBytes + padding(member.sizeBytes).length,
  );
  return sizes.reduce((total, size) => total + size, tarEnd.length);
}

/** @throws Error when a member is not as long as it says */
export async function* archiveOf(members: readonly Member[]): AsyncGenerator<Buffer> {
  for (const member of members) {
    yield tarHeader(headerOf(member));
    let left = member.sizeBytes;
    for await (const piece of member.open()) {
      left -= piece.length;
      yield piece;
    }
    if (left !== 0) throw new Error(`${member.name} has another size than before`);
    yield padding(member.sizeBytes);
  }
  yield tarEnd;
}

function headerOf({ name, sizeBytes }: Member): TarHeader {
  const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 0, link: "", major: 0, minor: 0, records: new Map() };
  return { name, type: "file", sizeBytes, ...plain };
}
