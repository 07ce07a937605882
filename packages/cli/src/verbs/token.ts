import { connect } from "../connect.ts";
import { json } from "../options.ts";
import { printJson, printLine, printTable } from "../print.ts";
import { defineVerb } from "../verb.ts";

export const tokenCreate = defineVerb({
  usage: "NAME",
  description: "Creates a token for ATOLL_TOKEN and prints it. It is shown this once; the server keeps only a hash.",
  options: { json },
  arguments: [1, 1],
  examples: ["export ATOLL_TOKEN=$(atoll token create laptop)"],
  async run({ values, positionals: [name = ""], signal }) {
    const client = await connect(signal);
    const created = await client.request("createToken", { body: { name }, signal });
    if (values.json) await printJson(created);
    else await printLine(created.token);
    return 0;
  },
});

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
