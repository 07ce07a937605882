/** Writes docs/cli.md. */
import { writeFileSync } from "node:fs";
import { loadVerbs } from "../src/completion.ts";
import { cliDocument } from "../src/document.ts";

writeFileSync(new URL("../../../docs/cli.md", import.meta.url), cliDocument(await loadVerbs()));
