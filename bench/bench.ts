/** What a subject of bench/subjects/ works with. */
import { type Isolation, Sandbox } from "@atoll/sdk";
import { type Control, openControl } from "./controls.ts";
import { interleaved, type Measurements, table } from "./statistics.ts";

/** A file of bench/subjects/. */
export interface Subject {
  /** One line for --help. */
  readonly about: string;
  readonly measure: (bench: Bench) => Promise<void>;
}

export interface BenchOptions {
  /** How often a quick measurement is repeated. A subject whose rounds take long divides it. */
  readonly rounds: number;
  /** Directory with the files of the base image, for controls. Used read-only. */
  readonly layer: string;
  /** Where runsc is, when gVisor is to be measured. */
  readonly runsc: string | undefined;
}

const sandboxLimitMs = 3_600_000;

export class Bench implements AsyncDisposable {
  readonly rounds: number;
  readonly layer: string;
  /** The levels to measure, each by itself: their controls differ. */
  readonly levels: readonly Isolation[];
  readonly #runsc: string | undefined;
  readonly #controls = new Map<Isolation, Promise<Control>>();
  readonly #acquired = new AsyncDisposableStack();

  constructor({ rounds, layer, runsc }: BenchOptions) {
    this.rounds = rounds;
    this.layer = layer;
    this.levels = runsc === undefined ? ["container"] : ["container", "gvisor"];
    this.#runsc = runsc;
  }

  /** The runtime of a level without Atoll, on the base image: crun or runsc. Opened when first asked for. */
  control(level: Isolation): Promise<Control> {
    let control = this.#controls.get(level);
    if (!control) {
      control =
        level === "container"
          ? openControl("crun", "crun", this.layer)
          : openControl("runsc", this.#runsc ?? "runsc", this.layer);
      this.#controls.set(level, control);
      this.#acquired.defer(async () => (await control)?.close());
    }
    return control;
  }

  /** A sandbox to measure in: `await using`. */
  sandbox(level: Isolation): Promise<Sandbox> {
    return Sandbox.create({ isolation: level, timeoutMs: sandboxLimitMs });
  }

  /** Runs the measurements in turns and prints their table. The first is the control. @param unit what they return, such as "ms" */
  async compare(
    title: string,
    unit: string,
    measurements: Measurements,
    { rounds = this.rounds }: { readonly rounds?: number } = {},
  ): Promise<void> {
    console.log(table(title, unit, await interleaved(Math.max(1, Math.ceil(rounds)), measurements)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#acquired.disposeAsync();
  }
}
