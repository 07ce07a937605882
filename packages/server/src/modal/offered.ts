/** What there is instead of a call that is not answered, by how its name begins. */
const instead: readonly (readonly [RegExp, string])[] = [
  [/^SandboxSnapshotFs/, "older clients ask this; current ones take snapshots of files through the command router"],
  [/^Sandbox(Snapshot|Restore)|^TaskSnapshotMemory/, "memory snapshots are not available yet"],
  [/^SandboxGetExitSnapshot/, "take snapshots of files while the sandbox runs"],
  [/^(TaskContainer|SandboxContainer)/, "sidecar containers are not available; start a second sandbox"],
  [/^Image/, "build images with `atoll image build`"],
  [/^(Function|Class|Map|Queue|Dict|Schedule)/, "Atoll runs sandboxes, and no functions"],
];

export function offered(name: string): string {
  return (
    instead.find(([pattern]) => pattern.test(name))?.[1] ??
    "Atoll does not have this call; see docs/modal-compatibility.md"
  );
}
