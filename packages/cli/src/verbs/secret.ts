import { Secret } from "@atoll/sdk";
import { connect } from "../connect.ts";
import { flag, many, one, text } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine, printTable } from "../print.ts";
import { gatherSecret } from "../secret-values.ts";
import { defineVerb } from "../verb.ts";

export const secretCreate = defineVerb({
  usage: "NAME [KEY=VALUE | KEY=- | KEY]...",
  description:
    "Creates or replaces a secret. KEY=- reads the value from stdin, KEY takes it from atoll's environment; neither shows it to\n" +
    "other users of this machine, as KEY=VALUE on a command line does. Without keys, stdin is read as a dotenv file.",
  options: {
    "from-dotenv": one("FILE", "Take the keys of this dotenv file too.", text),
    "allow-empty": flag("Accept a secret without any key."),
    json,
  },
  arguments: [1, 1000],
  examples: [
    "atoll secret create db PASSWORD=- < password.txt",
    "atoll secret create api --from-dotenv .env",
    "atoll run --secret db -- ./migrate.sh",
  ],
  async run({ values, positionals: [name = "", ...given], signal }) {
    const gathered = await gatherSecret(given, values["from-dotenv"], values["allow-empty"]);
    const client = await connect(signal);
    const secret = await Secret.put(name, gathered, { client, signal });
    if (values.json) await printJson(secret);
    else await printLine(secret.name ?? secret.id);
    return 0;
  },
});

export const secretUpdate = defineVerb({
  usage: "NAME [KEY=VALUE | KEY=- | KEY]...",
  description:
    "Sets keys of a secret and leaves the others as they are. Values are given as for `atoll secret create`.",
  options: {
    "from-dotenv": one("FILE", "Take the keys of this dotenv file too.", text),
    unset: many("KEY", "Remove this key.", (keys) => [...keys]),
    json,
  },
  arguments: [1, 1000],
  examples: ["atoll secret update db PASSWORD=- < password.txt", "atoll secret update api --unset OLD_KEY"],
  async run({ values, positionals: [name = "", ...given], signal }) {
    const removed = values.unset ?? [];
    const gathered = await gatherSecret(given, values["from-dotenv"], removed.length > 0);
    const client = await connect(signal);
    const changes = { ...gathered, ...Object.fromEntries(removed.map((key) => [key, null])) };
    const secret = await Secret.update(name, changes, { client, signal });
    if (values.json) await printJson(secret);
    else await printLine(secret.keys.join(" "));
    return 0;
  },
});

export const secretLs = defineVerb({
  usage: "",
  description: "Lists secrets: names, keys and when they were changed; never values.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const secrets = await Secret.list({ client, signal });
    if (values.json) await printJson(secrets);
    else
      await printTable(
        ["NAME", "KEYS", "UPDATED"],
        secrets.map(({ id, name = id, keys, updatedAt }) => [name, keys.join(" "), updatedAt]),
      );
    return 0;
  },
});

export const secretRm = defineVerb({
  usage: "NAME...",
  description: "Deletes secrets. Sandboxes that were given one keep its values.",
  options: { json },
  arguments: [1, 100],
  async run({ values, positionals, signal }) {
    const client = await connect(signal);
    for (const name of positionals) await Secret.delete(name, { client, signal });
    if (values.json) await printJson(positionals);
    else for (const name of positionals) await printLine(name);
    return 0;
  },
});
