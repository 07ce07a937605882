/** Files that a step copies from: of a context, or of another stage's layers. Names are bytes, one character a byte, as in tar. */

export interface TreeEntry {
  /** Relative to the root; empty for the root itself. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtime: number;
  readonly link: string;
  /** Of a file's content, where it is known. */
  readonly digest?: string | undefined;
}

export interface SourceTree {
  /** Follows links on the way and at the end, never out of the tree. */
  at(name: string): Promise<TreeEntry | undefined>;
  /** In order of their names. */
  children(directory: TreeEntry): Promise<readonly TreeEntry[]>;
  open(file: TreeEntry): AsyncIterable<Buffer>;
}

export function baseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

export function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

export function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}
