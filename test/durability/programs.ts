/** Commands that run in sandboxes, and what they say. */

/** Says `name 0`, `name 1` and so on, one every 20 ms and without a process for each; then does what `last` says. */
export function numbered(name: string, lines: number, last: string): [string, string, string] {
  const pause = "pipe=$(mktemp -u); mkfifo $pipe; exec 9<>$pipe";
  const loop = `for ((i = 0; i < ${lines}; i++)); do echo "${name} $i"; read -t 0.02 -u 9; done`;
  return ["bash", "-c", `${pause}; ${loop}; ${last}`];
}

export function numberedLines(name: string, lines: number): string {
  return Array.from({ length: lines }, (_, index) => `${name} ${index}\n`).join("");
}
