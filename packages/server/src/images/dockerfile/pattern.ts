/** Patterns of COPY and ADD: `*` and `?` stay within a name, `[a-z]` is a set, `\` takes the next character as it is. Pure. */

export function hasPattern(text: string): boolean {
  return /[*?[\\]/.test(text);
}

/** @returns a regular expression for a whole path */
export function patternOf(text: string): RegExp {
  let source = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    const set = character === "[" ? /^\[(\^?)((?:\\.|[^\]\\])+)\]/.exec(text.slice(at)) : null;
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (set) {
      source += `[${set[1]}${(set[2] ?? "").replace(/[[&~|]/g, "\\$&")}]`;
      at += set[0].length - 1;
    } else if (character === "\\") {
      at += 1;
      source += literal(text[at] ?? "\\");
    } else source += literal(character);
  }
  return new RegExp(`^${source}$`, "s");
}

function literal(character: string): string {
  return character.replace(/[.*+?^${}()|[\]\\/-]/, "\\$&");
}
