import { AtollError } from "../../error.ts";
import type { UidRange } from "./spec.ts";

/**
 * Numbers above those that systemd gives to its containers (up to 0x6FFFFFFF) and useradd to users, and below the reserved end.
 * https://systemd.io/UIDS-GIDS/
 */
const first = 0x7000_0000;
const size = 65_536;
const most = Math.floor((0xffff_0000 - first) / size);

/** Gives every container 65536 user and group ids that no other one has at the same time. */
export class UidRanges {
  readonly #taken = new Set<number>();
  #next = 0;

  take(): UidRange {
    for (let tries = 0; tries < most; tries += 1) {
      const base = first + this.#next * size;
      this.#next = (this.#next + 1) % most;
      if (this.#taken.has(base)) continue;
      this.#taken.add(base);
      return { base, size };
    }
    throw new AtollError("capacity", "cannot give the sandbox user ids of its own: all ranges are in use");
  }

  adopt(base: number): void {
    this.#taken.add(base);
  }

  release(base: number): void {
    this.#taken.delete(base);
  }
}
