/** Words, quotes and variables, as Dockerfiles have them. Pure. */

export type Variables = Readonly<Record<string, string | undefined>>;

export class WordError extends Error {}

/** Splits at white space outside quotes; quotes and escapes stay in the words. */
export function rawWords(text: string, escaper: string): string[] {
  const words: string[] = [];
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] ?? "";
    if (character === escaper && quote !== "'") {
      word += character + (text[at + 1] ?? "");
      at += 1;
    } else if (quote === "" && /\s/.test(character)) {
      if (word !== "") words.push(word);
      word = "";
    } else {
      if (character === quote) quote = "";
      else if (quote === "" && (character === '"' || character === "'")) quote = character;
      word += character;
    }
  }
  if (word !== "") words.push(word);
  return words;
}

/**
 * Replaces variables and takes quotes and escapes away.
 * @throws WordError
 */
export function expand(text: string, variables: Variables, escaper: string): string {
  const scan = new Scan(text, variables, escaper);
  const expanded = scan.until("");
  return expanded;
}

/** Replaces variables alone, as in the content of a heredoc. */
export function expandVariables(text: string, variables: Variables, escaper: string): string {
  return new Scan(text, variables, escaper, true).until("");
}

class Scan {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escaper: string;
  readonly #keepsQuotes: boolean;
  #at = 0;

  constructor(text: string, variables: Variables, escaper: string, keepsQuotes = false) {
    this.#text = text;
    this.#variables = variables;
    this.#escaper = escaper;
    this.#keepsQuotes = keepsQuotes;
  }

  /** Reads up to a character, which is left, or to the end. */
  until(end: string): string {
    let out = "";
    for (; this.#at < this.#text.length; ) {
      const character = this.#peek();
      if (character === end) return out;
      if (character === "$") out += this.#variable();
      else if (character === this.#escaper) out += this.#escaped();
      else if (character === "'" && !this.#keepsQuotes) out += this.#single();
      else if (character === '"' && !this.#keepsQuotes) out += this.#double();
      else out += this.#take();
    }
    if (end !== "") throw new WordError(`${end} is missing`);
    return out;
  }

  #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #take(): string {
    this.#at += 1;
    return this.#text[this.#at - 1] ?? "";
  }

  #escaped(): string {
    this.#take();
    if (this.#keepsQuotes && this.#peek() !== "$" && this.#peek() !== this.#escaper) return this.#escaper;
    return this.#take();
  }

  #single(): string {
    this.#take();
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw new WordError("a quote has no end");
    const inside = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inside;
  }

  #double(): string {
    this.#take();
    let out = "";
    for (;;) {
      const character = this.#peek();
      if (character === "") throw new WordError("a quote has no end");
      if (character === '"') {
        this.#take();
        return out;
      }
      if (character === "$") out += this.#variable();
      else if (character === this.#escaper) {
        this.#take();
        const next = this.#take();
        out += next === '"' || next === "$" || next === this.#escaper ? next : this.#escaper + next;
      } else out += this.#take();
    }
  }

  #variable(): string {
    this.#take();
    if (this.#peek() === "{") return this.#braced();
    const [name] = /^(?:[A-Za-z_]\w*|\d)/.exec(this.#text.slice(this.#at)) ?? [""];
    this.#at += name.length;
    return name === "" ? "$" : (this.#variables[name] ?? "");
  }

  #braced(): string {
    this.#take();
    const [name] = /^[A-Za-z_]\w*/.exec(this.#text.slice(this.#at)) ?? [""];
    if (name === "") throw new WordError("a variable has no name");
    this.#at += name.length;
    const value = this.#variables[name];
    if (this.#peek() === "}") {
      this.#take();
      return value ?? "";
    }
    const isEmptyToo = this.#peek() === ":";
    if (isEmptyToo) this.#take();
    const operator = this.#take();
    const word = this.until("}");
    this.#take();
    const isSet = value !== undefined && !(isEmptyToo && value === "");
    if (operator === "-") return isSet ? value : word;
    if (operator === "+") return isSet ? word : "";
    if (operator !== "?") throw new WordError(`\${${name}${operator}...} is not supported`);
    if (isSet) return value;
    throw new WordError(`${name} is not set${word === "" ? "" : `: ${word}`}`);
  }
}
