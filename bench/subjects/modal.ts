import { defaultClient, Sandbox } from "@atoll/sdk";
import { type App, type Image, ModalClient, type Sandbox as ModalSandbox } from "modal";
import type { Bench } from "../bench.ts";

export const about =
  "the official npm client of Modal beside our SDK: create, exec and read, on the level that is the default";

const argv = ["printf", "x"];
const roundsDivisor = 4;

export async function measure(bench: Bench): Promise<void> {
  await using modal = await openModal();
  const rounds = bench.rounds / roundsDivisor;
  await bench.compare(
    "create, exec and read, then terminate",
    "ms",
    { SDK: () => ours(), "modal 0.11.1": () => theirs(modal) },
    { rounds },
  );
  await using sandbox = await Sandbox.create({ timeoutMs: 3_600_000 });
  const other = await modal.create();
  const measured = { SDK: () => ourExec(sandbox), "modal 0.11.1": () => theirExec(other) };
  await bench.compare("exec and read in a running sandbox", "ms", measured);
  await other.terminate();
}

interface Modal extends AsyncDisposable {
  create(): Promise<ModalSandbox>;
}

async function openModal(): Promise<Modal> {
  const client = defaultClient();
  const { id, token } = await client.request("createToken", { body: { name: "bench-modal" } });
  const { address } = await client.request("status", {});
  process.env.MODAL_SERVER_URL = address;
  const modal = new ModalClient({ tokenId: id, tokenSecret: token });
  const app: App = await modal.apps.fromName("bench-modal", { createIfMissing: true });
  const image: Image = await modal.images.fromId("im-0000000000000000000000");
  return {
    create: () => modal.sandboxes.create(app, image, { timeoutMs: 3_600_000 }),
    [Symbol.asyncDispose]: async () => {
      modal.close();
      await client.request("deleteToken", { params: { tokenId: id } });
    },
  };
}

async function ours(): Promise<number> {
  const began = performance.now();
  const sandbox = await Sandbox.create({ timeoutMs: 3_600_000 });
  await ourExec(sandbox);
  const took = performance.now() - began;
  await sandbox.terminate();
  return took;
}

async function theirs(modal: Modal): Promise<number> {
  const began = performance.now();
  const sandbox = await modal.create();
  await theirExec(sandbox);
  const took = performance.now() - began;
  await sandbox.terminate();
  return took;
}

async function ourExec(sandbox: Sandbox): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec(argv);
  await process.stdout.read();
  return performance.now() - began;
}

async function theirExec(sandbox: ModalSandbox): Promise<number> {
  const began = performance.now();
  const process = await sandbox.exec(argv);
  await process.stdout.readText();
  return performance.now() - began;
}
