/** What there is instead of a call that is not answered, by how its name begins. */
const instead: readonly (readonly [RegExp, string])[] = [
  [/^SandboxSnapshotFs/, "older clients ask this; current ones take snapshots of files through the command router"],
  [/^Sandbox(Snapshot|Restore)|^TaskSnapshotMemory/, "memory snapshots are not available yet"],
  [/^SandboxGetExitSnapshot/, "take snapshots of files while the sandbox runs"],
  [
    /^(TaskContainer|SandboxContainer)/,
    "sidecar containers are not available; start a second sandbox, in the same private network if they are to talk",
  ],
  [/^TaskSetOutboundPolicy/, "headers of requests are not replaced; allow domains with an outbound allowlist"],
  [/^PersistentSandbox/, "sandboxes end; keep files with snapshots or volumes"],
  [/^ContainerExec/, "older clients ask this; npm from 0.7 and Python from 1.4.3 on use the command router"],
  [/^AppGetLogs/, "follow the output of a sandbox with `atoll logs -f`"],
  [/^Proxy/, "there are no proxies; an outbound allowlist says what a sandbox reaches"],
  [/^SharedVolume/, "use volumes"],
  [
    /^(Workspace|UserGroup|ServiceUser|TokenFlow|TokenInfo)/,
    "there is one workspace; make tokens with `atoll token create`",
  ],
  [/^Image/, "build images with `atoll image build`"],
  [/^(Function|Class|Cls|Map|Queue|Dict|Schedule|Server|Endpoint|Cluster)/, "Atoll runs sandboxes, and no functions"],
];

export function offered(name: string): string {
  return (
    instead.find(([pattern]) => pattern.test(name))?.[1] ??
    "Atoll does not have this call; see docs/modal-compatibility.md"
  );
}
