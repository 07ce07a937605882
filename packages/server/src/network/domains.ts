/** Names of hosts that a sandbox may reach: pure. */
import { isIP } from "node:net";
import { domainToASCII } from "node:url";

const longestName = 253;
const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * A name or a pattern `*.name`, which stands for every name below it and not for itself: in lower case, without a dot at its end, and with
 * letters beyond ASCII as they are looked up.
 * @returns undefined for what is none
 */
export function domainPattern(text: string): string | undefined {
  const isWildcard = text.startsWith("*.");
  const name = hostName(isWildcard ? text.slice(2) : text);
  return name && (isWildcard ? `*.${name}` : name);
}

/** A name of a host in the one way it is compared; undefined for what is none, such as an address. */
export function hostName(text: string): string | undefined {
  const given = text.endsWith(".") ? text.slice(0, -1) : text;
  const name = /^[\x21-\x7e]*$/.test(given) ? given.toLowerCase() : domainToASCII(given);
  const labels = name.split(".");
  if (name.length > longestName || isIP(name) !== 0 || !labels.every((each) => label.test(each))) return undefined;
  // 1.2.3 and 0x7f.1 are addresses too, to programs that read them as inet_aton(3) does.
  return /^(0x[0-9a-f]*|\d+)$/.test(labels.at(-1) ?? "") ? undefined : name;
}

/** Looks names up among patterns in as many steps as the name has labels. */
export class Domains {
  readonly #patterns: ReadonlySet<string>;

  /** @param patterns as domainPattern gives them */
  constructor(patterns: readonly string[]) {
    this.#patterns = new Set(patterns);
  }

  /**
   * The pattern that allows it, the narrowest when several do.
   * @param name as hostName gives it
   */
  patternFor(name: string): string | undefined {
    if (this.#patterns.has(name)) return name;
    for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
      const pattern = `*${name.slice(dot)}`;
      if (this.#patterns.has(pattern)) return pattern;
    }
    return undefined;
  }
}
