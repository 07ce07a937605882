import { type CallOptions, defaultClient } from "./client.ts";
import type { App as AppInfo } from "./generated/api.ts";

export type { AppInfo };

/** A name that sandboxes are kept together under. */
export class App {
  readonly id: string;
  readonly name: string;

  private constructor(info: AppInfo) {
    this.id = info.id;
    this.name = info.name;
  }

  /**
   * Finds an app by name.
   * @param options.createIfMissing make it if there is none
   * @throws {NotFoundError} when there is none and it is not to be made
   */
  static async lookup(name: string, options: CallOptions & { createIfMissing?: boolean } = {}): Promise<App> {
    const { client = defaultClient(), signal, createIfMissing } = options;
    return new App(await client.request("lookupApp", { body: { name, createIfMissing }, signal }));
  }

  /** All apps. */
  static async list(options: CallOptions = {}): Promise<App[]> {
    const { client = defaultClient(), signal } = options;
    return (await client.request("listApps", { signal })).items.map((info) => new App(info));
  }

  toJSON(): { id: string; name: string } {
    return { id: this.id, name: this.name };
  }
}
