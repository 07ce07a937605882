/** The official npm client against the server under test, in one of the two families of its calls. */
import { after, before } from "node:test";
import { Client } from "@atoll/sdk";
import { type App, ModalClient, type Sandbox } from "modal";

/** Call at the top of a test file, after `useServer`. */
export function useModal(appName: string) {
  const own = new Client();
  let tokenId = "";
  before(async () => {
    const created = await own.request("createToken", { body: { name: appName } });
    tokenId = created.id;
    process.env.MODAL_SERVER_URL = process.env.ATOLL_URL;
    process.env.MODAL_TOKEN_ID = created.id;
    process.env.MODAL_TOKEN_SECRET = created.token;
  });
  after(() => own.request("deleteToken", { params: { tokenId } }));
  return async (family: "1" | "0") => {
    process.env.MODAL_SANDBOX_V2 = family;
    const modal = new ModalClient();
    const app = await modal.apps.fromName(appName, { createIfMissing: true });
    const image = modal.images.fromRegistry("debian:bookworm-slim");
    const made: Sandbox[] = [];
    const create = async (params: Parameters<typeof modal.sandboxes.create>[2] = {}, from: App = app) => {
      const sandbox = await modal.sandboxes.create(from, image, { timeoutMs: 120_000, ...params });
      made.push(sandbox);
      return sandbox;
    };
    const close = async () => {
      await Promise.all(made.map((sandbox) => sandbox.terminate()));
      modal.close();
    };
    return { modal, app, create, [Symbol.asyncDispose]: close };
  };
}
