/** What the patterns of a COPY mean in a tree. */
import { createHash } from "node:crypto";
import { hasPattern, patternOf } from "./dockerfile/pattern.ts";
import { baseName, bytesOf, type SourceTree, type TreeEntry } from "./source-tree.ts";

export interface Source {
  readonly entry: TreeEntry;
  /** What it is called where it is copied to: a link's own name, not that of its target. */
  readonly name: string;
}

/** @returns what each pattern matches, in order of names; undefined for the first that matches nothing */
export async function findSources(
  tree: SourceTree,
  patterns: readonly string[],
): Promise<{ readonly found: readonly Source[]; readonly missing?: string }> {
  const found: Source[] = [];
  for (const pattern of patterns) {
    const path = cleanPath(bytesOf(pattern));
    const matched = hasPattern(path) ? await matching(tree, path.split("/")) : await exactly(tree, path);
    if (matched.length === 0) return { found, missing: pattern };
    found.push(...matched);
  }
  return { found };
}

/** Identifies what would be copied: names, kinds, modes and content. */
export async function contentKey(tree: SourceTree, sources: readonly Source[]): Promise<string> {
  const hash = createHash("sha256");
  const visit = async (entry: TreeEntry, name: string): Promise<void> => {
    hash.update(`${JSON.stringify([name, entry.type, entry.mode, entry.link, entry.digest ?? ""])}\n`);
    if (entry.type !== "directory") return;
    for (const child of await tree.children(entry)) await visit(child, `${name}/${baseName(child.name)}`);
  };
  for (const { entry, name } of sources) await visit(entry, entry.type === "directory" ? "" : name);
  return hash.digest("hex");
}

async function exactly(tree: SourceTree, path: string): Promise<Source[]> {
  const entry = await tree.at(path);
  return entry ? [{ entry, name: baseName(path) }] : [];
}

async function matching(tree: SourceTree, parts: readonly string[]): Promise<Source[]> {
  const root = await tree.at("");
  let level: Source[] = root ? [{ entry: root, name: "" }] : [];
  for (const part of parts) {
    const pattern = patternOf(part);
    const next: Source[] = [];
    for (const { entry } of level) {
      if (entry.type !== "directory") continue;
      for (const child of await tree.children(entry)) {
        const name = baseName(child.name);
        if (!pattern.test(name)) continue;
        const resolved = child.type === "symlink" ? await tree.at(child.name) : child;
        if (!resolved) continue;
        next.push({ entry: resolved, name });
      }
    }
    level = next;
  }
  return level;
}

/** Without leading slashes and dots; `..` does not leave the root. */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}
