import { bashCompletion, fishCompletion, loadVerbs, zshCompletion } from "../completion.ts";
import { UsageError } from "../errors.ts";
import { write } from "../print.ts";
import { defineVerb } from "../verb.ts";

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export const completion = defineVerb({
  usage: "bash | zsh | fish",
  description: "Prints a script that lets the shell complete verbs and options.",
  options: {},
  arguments: [1, 1],
  examples: [
    "atoll completion bash > /etc/bash_completion.d/atoll",
    "atoll completion zsh > /usr/local/share/zsh/site-functions/_atoll",
    "atoll completion fish > ~/.config/fish/completions/atoll.fish",
  ],
  async run({ positionals: [shell = ""] }) {
    const script = Object.hasOwn(scripts, shell) ? scripts[shell as keyof typeof scripts] : undefined;
    if (!script) throw new UsageError(`cannot complete in ${JSON.stringify(shell)}`, "It must be bash, zsh or fish.");
    await write(process.stdout, script(await loadVerbs()));
    return 0;
  },
});
