import { connect } from "../connect.ts";
import { flag } from "../option.ts";
import { json } from "../options.ts";
import { printJson, printLine, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const tokenCreate = defineVerb({
  usage: "NAME",
  description:
    "Creates a token for ATOLL_TOKEN and prints it. It is shown this once; the server keeps only a hash. With --modal, prints what the official Modal clients take from their environment instead.",
  options: { modal: flag("Print the variables that lead a Modal client to this server, for a shell."), json },
  arguments: [1, 1],
  examples: ["export ATOLL_TOKEN=$(atoll token create laptop)", 'eval "$(atoll token create --modal laptop)"'],
  async run({ values, positionals: [name = ""], signal }) {
    const client = await connect(signal);
    const created = await client.request("createToken", { body: { name }, signal });
    if (values.modal) await printModal(modalEnvironment((await client.endpoint(signal)).baseUrl, created), values.json);
    else if (values.json) await printJson(created);
    else await printLine(created.token);
    return 0;
  },
});

function modalEnvironment(url: string, { id, token }: { readonly id: string; readonly token: string }) {
  return { MODAL_SERVER_URL: url, MODAL_TOKEN_ID: id, MODAL_TOKEN_SECRET: token };
}

/** None of the values has a character that a shell takes for more than itself. */
async function printModal(environment: Readonly<Record<string, string>>, isJson: boolean): Promise<void> {
  if (isJson) await printJson(environment);
  else for (const [key, value] of Object.entries(environment)) await printLine(`export ${key}=${value}`);
}

export const tokenLs = defineVerb({
  usage: "",
  description: "Lists API tokens: id, name, when created and last used; never the tokens themselves.",
  options: { json },
  arguments: [0, 0],
  async run({ values, signal }) {
    const client = await connect(signal);
    const { items } = await client.request("listTokens", { signal });
    if (values.json) await printJson(items);
    else {
      const rows = items.map(({ id, name, createdAt, lastUsedAt }) => [id, name, createdAt, lastUsedAt ?? "never"]);
      await printTable(["ID", "NAME", "CREATED", "LAST USED"], rows);
    }
    return 0;
  },
});

export const tokenRm = defineVerb({
  usage: "ID...",
  description: "Revokes API tokens by their ids: requests with them are refused from now on.",
  options: { json },
  arguments: [1, 100],
  async run({ values, positionals, signal }) {
    const client = await connect(signal);
    for (const tokenId of positionals) await client.request("deleteToken", { params: { tokenId }, signal });
    if (values.json) await printJson(positionals);
    else for (const id of positionals) await printLine(id);
    return 0;
  },
});
