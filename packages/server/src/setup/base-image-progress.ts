/** Pure: how far mmdebstrap is, read from the lines it prints. */

export interface BuildState {
  readonly stage: string;
  /** 0 to 1 */
  readonly fraction: number;
}

interface Stage {
  /** Start of the line that opens the stage. */
  readonly opening: string;
  readonly text: string;
  /** Where the stage begins and ends on the whole, from timed runs. */
  readonly from: number;
  readonly to: number;
  /** Lines that count as one unit of work; a package gives `unitsPerPackage` of them. */
  readonly unit?: RegExp;
  readonly unitsPerPackage?: number;
}

const stages: readonly Stage[] = [
  { opening: "I: running apt-get update", text: "reading package lists", from: 0, to: 0.06 },
  {
    opening: "I: downloading packages",
    text: "downloading packages",
    from: 0.06,
    to: 0.15,
    unit: /^Get:/,
    unitsPerPackage: 1,
  },
  { opening: "I: extracting archives", text: "unpacking the core", from: 0.15, to: 0.22 },
  {
    opening: "I: installing essential",
    text: "installing the core",
    from: 0.22,
    to: 0.45,
    unit: /^(Unpacking|Setting up) /,
    unitsPerPackage: 2,
  },
  {
    opening: "I: installing remaining",
    text: "installing Python and tools",
    from: 0.45,
    to: 0.97,
    unit: /^(Get:|Unpacking |Setting up )/,
    unitsPerPackage: 3,
  },
  { opening: "I: cleaning", text: "cleaning up", from: 0.97, to: 1 },
];

/** @returns a function that takes line after line and answers with the state whenever it changed. */
export function followBuild(): (line: string) => BuildState | undefined {
  let stage: Stage | undefined;
  let packages = 0;
  let units = 0;
  return (line) => {
    const next = stages.find(({ opening }) => line.startsWith(opening));
    if (next) {
      stage = next;
      units = 0;
    } else if (stage?.unit?.test(line)) units += 1;
    else {
      packages = Number(/(\d+) newly installed/.exec(line)?.[1] ?? packages);
      return undefined;
    }
    return { stage: stage.text, fraction: fractionOf(stage, units, packages) };
  };
}

function fractionOf({ from, to, unitsPerPackage }: Stage, units: number, packages: number): number {
  const done = unitsPerPackage && packages > 0 ? Math.min(1, units / (packages * unitsPerPackage)) : 0;
  return from + (to - from) * done;
}
