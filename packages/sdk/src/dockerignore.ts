/** What a `.dockerignore` file leaves out of a context. */

/** @returns whether a path, relative to the context and with `/`, is left out */
export function dockerignore(text: string): (path: string) => boolean {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(ruleOf)
    .filter(({ pattern }) => pattern !== "");
  const compiled = rules.map(({ pattern, keeps }) => ({ expression: expressionOf(pattern), keeps }));
  // The last rule that fits decides; one for a directory is one for all in it.
  return (path) => {
    let isIgnored = false;
    for (const { expression, keeps } of compiled) if (expression.test(path)) isIgnored = !keeps;
    return isIgnored;
  };
}

/** Whether something below an ignored directory may be kept after all. */
export function hasExceptions(text: string): boolean {
  return /^\s*!/m.test(text);
}

function ruleOf(line: string): { readonly pattern: string; readonly keeps: boolean } {
  const keeps = line.startsWith("!");
  const parts = (keeps ? line.slice(1) : line).trim().split("/");
  return { pattern: parts.filter((part) => part !== "" && part !== ".").join("/"), keeps };
}

function expressionOf(pattern: string): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern[at] ?? "";
    const set = character === "[" ? /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(pattern.slice(at)) : null;
    if (pattern.startsWith("**/", at)) {
      source += "(?:.*/)?";
      at += 2;
    } else if (pattern.startsWith("**", at)) {
      source += ".*";
      at += 1;
    } else if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (set) {
      source += `[${set[1]}${(set[2] ?? "").replace(/[[&~|]/g, "\\$&")}]`;
      at += set[0].length - 1;
    } else {
      if (character === "\\") at += 1;
      source += (pattern[at] ?? "\\").replace(/[.*+?^${}()|[\]\\/-]/, "\\$&");
    }
  }
  return new RegExp(`^${source}(?:/.*)?$`, "s");
}
