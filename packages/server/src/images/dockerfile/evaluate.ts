/** Instructions of a stage as steps, given what they start from: pure. */
import type { ImageConfig } from "@atoll/protocol";
import { badLine, unsupportedLine } from "./dockerfile-error.ts";
import { checkFlags, type Instruction, jsonWords, pairsOf } from "./instruction.ts";
import { declaredArguments, expandLine } from "./stages.ts";
import { expandVariables, rawWords, type Variables } from "./words.ts";

/** What a COPY or ADD brings. */
export interface CopyRequest {
  /** A stage by name or number, or an image; the context when absent. */
  readonly from: string | undefined;
  /** Patterns, as they are written. */
  readonly sources: readonly string[];
  /** Files whose content is in the Dockerfile itself. */
  readonly inline: readonly { readonly name: string; readonly content: string }[];
  /** Absolute. */
  readonly path: string;
  /** A directory even when it is not there yet. */
  readonly isDirectory: boolean;
  /** USER, UID, USER:GROUP or UID:GID; names are the image's. */
  readonly chown: string | undefined;
  readonly mode: number | undefined;
  /** Archives are unpacked, as ADD does. */
  readonly unpacks: boolean;
}

export interface RunRequest {
  /** Text is given to the shell. */
  readonly command: string | readonly string[];
  /** Arguments of the build, which RUN sees as environment variables. */
  readonly env: Readonly<Record<string, string>>;
}

export type DockerStep = { readonly line: number; readonly text: string } & (
  | { readonly run: RunRequest }
  | { readonly copy: CopyRequest }
  | { readonly workdir: string }
  /** The configuration as it is from here on. */
  | { readonly config: ImageConfig }
);

export interface Scope {
  /** What the stage starts with. */
  readonly config: ImageConfig;
  /** Known from before the first FROM, or of the platform: had by those who declare them. */
  readonly globals: Variables;
  /** Given with the build. */
  readonly given: Variables;
}

/** What processes get when an image says nothing. */
const normalPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const normalShell = ["/bin/sh", "-c"];

/** @throws AtollError that names the line */
export function evaluate(instructions: readonly Instruction[], scope: Scope): DockerStep[] {
  const evaluation = new Evaluation(scope);
  return instructions.flatMap((instruction) => {
    const done = evaluation.take(instruction);
    return done ? [{ line: instruction.line, text: instruction.text, ...done }] : [];
  });
}

type Done = { run: RunRequest } | { copy: CopyRequest } | { workdir: string } | { config: ImageConfig };

class Evaluation {
  readonly #scope: Scope;
  #config: ImageConfig;
  #arguments: Variables = {};
  #hasOwnCommand = false;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.#config = scope.config;
  }

  take(instruction: Instruction): Done | undefined {
    const { line, keyword, rest } = instruction;
    if (keyword === "RUN") return { run: this.#run(instruction) };
    if (keyword === "COPY" || keyword === "ADD") return { copy: this.#copy(instruction) };
    checkFlags(instruction);
    if (keyword === "ARG") {
      const declared = declaredArguments(instruction, this.#variables, this.#scope.globals, this.#scope.given);
      this.#arguments = { ...this.#arguments, ...declared };
      return undefined;
    }
    if (keyword === "WORKDIR") {
      const workdir = this.#absolute(this.#expand(instruction, rest));
      this.#config = { ...this.#config, workdir };
      return { workdir };
    }
    if (keyword === "FROM") throw badLine(line, "FROM begins a stage of its own");
    this.#config = this.#configured(instruction);
    return { config: this.#config };
  }

  /** Variables of the image win over arguments of the build. */
  get #variables(): Variables {
    return { PATH: normalPath, ...this.#arguments, ...this.#config.env };
  }

  #expand({ line, escaper }: Instruction, text: string): string {
    return expandLine(line, text, this.#variables, escaper);
  }

  #configured(instruction: Instruction): ImageConfig {
    const { line, keyword, rest, escaper } = instruction;
    const config = this.#config;
    const pairs = () =>
      Object.fromEntries(
        pairsOf(instruction).map(([name, value]) => [
          this.#expand(instruction, name),
          this.#expand(instruction, value),
        ]),
      );
    switch (keyword) {
      case "ENV":
        return { ...config, env: { ...config.env, ...pairs() } };
      case "LABEL":
        return { ...config, labels: { ...config.labels, ...pairs() } };
      case "MAINTAINER":
        return { ...config, labels: { ...config.labels, maintainer: rest } };
      case "USER":
        return { ...config, user: this.#expand(instruction, rest) };
      case "SHELL": {
        const shell = jsonWords(rest);
        if (!shell || shell.length === 0) throw badLine(line, 'SHELL needs a list, such as ["/bin/bash", "-c"]');
        return { ...config, shell };
      }
      case "EXPOSE": {
        const ports = rawWords(rest, escaper).flatMap((word) => portsOf(line, this.#expand(instruction, word)));
        return { ...config, ports: [...new Set([...(config.ports ?? []), ...ports])] };
      }
      case "CMD":
        this.#hasOwnCommand = true;
        return withWords(config, "cmd", this.#argv(rest));
      case "ENTRYPOINT": {
        const changed = withWords(config, "entrypoint", this.#argv(rest));
        // A command that was meant for the base's entrypoint means nothing to this one.
        return this.#hasOwnCommand ? changed : withWords(changed, "cmd", []);
      }
      default:
        throw badLine(line, `${keyword} has no place here`);
    }
  }

  #argv(rest: string): readonly string[] {
    return jsonWords(rest) ?? [...(this.#config.shell ?? normalShell), rest];
  }

  #run(instruction: Instruction): RunRequest {
    const { line, flags, rest, heredocs } = instruction;
    if (flags.has("mount")) {
      const hint = "Lend a build secrets by their names; caches and binds of other stages are not there: use COPY.";
      throw unsupportedLine(line, "--mount of RUN", hint);
    }
    checkFlags(instruction, "network");
    const network = flags.get("network") ?? "default";
    if (network !== "default") throw unsupportedLine(line, `--network=${network} of RUN`);
    const set = Object.entries(this.#arguments).filter(([, value]) => value !== undefined);
    const env = Object.fromEntries(set.filter(([name]) => !(name in this.#config.env))) as Record<string, string>;
    const [heredoc] = heredocs;
    if (heredoc && heredocs.length === 1 && /^\d*<<-?["']?[\w.-]+["']?$/.test(rest))
      return { command: scriptCommand(heredoc.content), env };
    const bodies = heredocs.map(({ name, content }) => `\n${content}${name}`).join("");
    return { command: (heredocs.length === 0 ? jsonWords(rest) : undefined) ?? `${rest}${bodies}`, env };
  }

  #copy(instruction: Instruction): CopyRequest {
    const { line, keyword, flags, rest, heredocs, escaper } = instruction;
    // `--link` is about how layers are stored, not about what is in them.
    const allowed = keyword === "COPY" ? ["from", "chown", "chmod", "link"] : ["chown", "chmod", "link"];
    checkFlags(instruction, ...allowed);
    const words = (jsonWords(rest) ?? rawWords(rest, escaper)).map((word) =>
      this.#expandUnlessHeredoc(instruction, word),
    );
    const target = words.pop();
    if (target === undefined || words.length === 0) throw badLine(line, `${keyword} needs a source and a destination`);
    const names = new Set(heredocs.map(({ name }) => name));
    const sources = words.filter((word) => !names.has(heredocName(word)));
    const remote = sources.find((source) => /^(https?|git|ssh):\/\/|^git@/.test(source));
    if (remote !== undefined && keyword === "ADD")
      throw unsupportedLine(line, `ADD of ${remote}`, "Fetch it with RUN, where the network is open.");
    const inline = heredocs.map(({ name, content, isExpanded }) => ({
      name,
      content: isExpanded ? expandVariables(content, this.#variables, escaper) : content,
    }));
    const isDirectory = target === "." || /\/\.?$/.test(target) || words.length > 1;
    if (words.length > 1 && target !== "." && !/\/\.?$/.test(target))
      throw badLine(line, `several sources need a directory: ${target} does not end in /`);
    return {
      from: flags.get("from"),
      sources,
      inline,
      path: this.#absolute(target),
      isDirectory,
      chown: flags.has("chown") ? this.#expand(instruction, flags.get("chown") ?? "") : undefined,
      mode: modeOf(line, this.#expand(instruction, flags.get("chmod") ?? "")),
      unpacks: keyword === "ADD",
    };
  }

  #expandUnlessHeredoc(instruction: Instruction, word: string): string {
    return heredocName(word) === "" ? this.#expand(instruction, word) : word;
  }

  #absolute(path: string): string {
    return path.startsWith("/") ? path : `${(this.#config.workdir ?? "").replace(/\/+$/, "")}/${path}`;
  }
}

function heredocName(word: string): string {
  return /^\d*<<-?["']?([A-Za-z_][\w.-]*)["']?$/.exec(word)?.[1] ?? "";
}

/** A script of its own kind is given to its interpreter; the delimiter is one that it does not have. */
function scriptCommand(script: string): string {
  const interpreter = /^#!\s*(\S.*)\n/.exec(script)?.[1];
  if (interpreter === undefined) return script;
  let delimiter = "ATOLL_SCRIPT";
  while (script.includes(delimiter)) delimiter += "_";
  const file = "/dev/shm/.atoll-script";
  return `cat > ${file} <<'${delimiter}'\n${script}${delimiter}\n${interpreter.trim()} ${file}`;
}

function withWords(config: ImageConfig, key: "cmd" | "entrypoint", words: readonly string[]): ImageConfig {
  const { [key]: _left, ...rest } = config;
  return words.length === 0 ? rest : { ...rest, [key]: [...words] };
}

function portsOf(line: number, text: string): string[] {
  return text.split(/\s+/).map((port) => {
    if (!/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/.test(port)) throw badLine(line, `${port} is no port`);
    return port.includes("/") ? port : `${port}/tcp`;
  });
}

function modeOf(line: number, text: string): number | undefined {
  if (text === "") return undefined;
  if (/^[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8);
  throw badLine(line, `--chmod=${text} is not an octal mode`, "Write it as --chmod=755.");
}
