import type { Result } from "@atoll/protocol";
import { AtollError } from "../error.ts";
import type { LayerStep } from "./recipe.ts";

/** A step that ended with another exit code than 0. */
export class BuildFailure extends AtollError {
  readonly step: number;
  readonly text: string;
  readonly exitCode: number;
  /** The last lines it wrote. */
  readonly output: readonly string[];

  constructor(message: string, { number, text }: LayerStep, exitCode: number, output: readonly string[]) {
    super("build_failed", message);
    this.step = number;
    this.text = text;
    this.exitCode = exitCode;
    this.output = output;
  }
}

export function failedStep(step: LayerStep, result: Result, output: readonly string[]): BuildFailure {
  const how = result.message ?? (result.signal ? `ended by ${result.signal}` : `exit code ${result.exitCode}`);
  const message = `cannot build the image: step ${step.number}, ${step.text}: ${how}`;
  return new BuildFailure(message, step, result.exitCode, output);
}
