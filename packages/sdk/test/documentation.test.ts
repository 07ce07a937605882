import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as sdk from "../src/index.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const page = readFileSync(join(root, "docs/sdk.md"), "utf8");
const index = readFileSync(join(root, "packages/sdk/src/index.ts"), "utf8");

/** Names of values and types: types leave nothing behind to look at, so they are read from the source. */
function exportedNames(): string[] {
  const lists = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].map(([, list]) => list ?? "");
  return lists.flatMap((list) => list.split(",")).flatMap((name) => name.replace("type ", "").trim() || []);
}

function methodNames(value: object): string[] {
  return Object.getOwnPropertyNames(value).filter(
    (name) => !["constructor", "length", "name", "prototype"].includes(name),
  );
}

test("docs/sdk.md names everything the SDK exports", () => {
  const names = exportedNames();
  assert.ok(names.length > 40 && Object.keys(sdk).every((name) => names.includes(name)));
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
    [],
  );
});

test("docs/sdk.md names every method of the classes it describes", () => {
  const internal = new Set(["merge", "attach", "findAgain", "retryForMs", "toJSON", "put"]);
  const classes = [
    sdk.App,
    sdk.Sandbox,
    sdk.Process,
    sdk.OutputReader,
    sdk.StdinWriter,
    sdk.Terminal,
    sdk.Secret,
    sdk.Image,
    sdk.Client,
    sdk.SandboxFilesystem,
    sdk.SandboxFile,
    sdk.FileWatcher,
  ];
  for (const each of classes) {
    const names = [...methodNames(each), ...methodNames(each.prototype)].filter((name) => !internal.has(name));
    assert.deepEqual(
      names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
      [],
      each.name,
    );
  }
});

/** What a block of the page may use without saying where it comes from. */
const preamble = `import { ${Object.keys(sdk).join(", ")} } from "@atoll/sdk";
declare const app: App; declare const sandbox: Sandbox; declare const client: Client;
`;

function asModule(block: string): string {
  const source = block.includes("import {") ? block : `${preamble}export async function block() {\n${block}}\n`;
  return `${source}\nexport {};\n`;
}

test("every TypeScript block of docs/sdk.md type-checks", async (t) => {
  const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block ?? "");
  assert.ok(blocks.length > 10);
  // Inside the checkout, so that the blocks find the SDK as a program of the checkout does.
  mkdirSync(join(root, "node_modules/.cache"), { recursive: true });
  const directory = mkdtempSync(join(root, "node_modules/.cache/atoll-docs-"));
  t.after(() => rmSync(directory, { recursive: true }));
  for (const [number, block] of blocks.entries()) writeFileSync(join(directory, `${number}.ts`), asModule(block));
  const options = {
    noUnusedLocals: false,
    noUnusedParameters: false,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions: options, include: [`${directory}/*.ts`] };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(root, "node_modules/.bin/tsc");
  const { stdout } = await promisify(execFile)(tsc, ["-p", directory]).catch((error) => error);
  assert.equal(stdout, "");
});
