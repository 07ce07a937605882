import type { Sandbox } from "@atoll/protocol";
import type { SandboxRow } from "../store/rows.ts";

/** Pure: what a caller is shown of a sandbox. */
export function sandboxView(row: SandboxRow): Sandbox {
  const { spec } = row;
  return {
    id: row.id,
    app: row.app,
    tags: { ...row.tags },
    state: row.state,
    isolation: spec.isolation,
    image: spec.image,
    command: [...spec.command],
    cpu: spec.cpu,
    memoryBytes: spec.memoryBytes,
    pidsLimit: spec.pidsLimit,
    openFilesLimit: spec.openFilesLimit,
    timeoutMs: spec.timeoutMs,
    ...row.networkPolicy,
    blockNetwork: row.networkPolicy.blockNetwork ?? false,
    ...(spec.outboundSecrets && { outboundSecrets: [...spec.outboundSecrets] }),
    ...(spec.network && { network: spec.network.name }),
    ...(row.state !== "finished" && row.holder?.address !== undefined && { address: row.holder.address }),
    createdAt: new Date(row.createdAt).toISOString(),
    timeline: [...row.timeline],
    ...(row.name !== undefined && { name: row.name }),
    ...(row.result && { result: row.result }),
    ...(spec.workdir !== undefined && { workdir: spec.workdir }),
    ...(spec.user !== undefined && { user: spec.user }),
    ...(spec.pty && { pty: spec.pty }),
    ...(spec.diskBytes !== undefined && { diskBytes: spec.diskBytes }),
    ...(row.gpus.length > 0 && { gpus: [...row.gpus] }),
    ...(spec.idleTimeoutMs !== undefined && { idleTimeoutMs: spec.idleTimeoutMs }),
    ...(spec.encryptedPorts && { encryptedPorts: [...spec.encryptedPorts] }),
    ...(spec.h2Ports && { h2Ports: [...spec.h2Ports] }),
    ...(spec.unencryptedPorts && { unencryptedPorts: [...spec.unencryptedPorts] }),
    ...(spec.inboundCidrAllowlist && { inboundCidrAllowlist: [...spec.inboundCidrAllowlist] }),
    ...(spec.volumes && spec.volumes.length > 0 && { volumes: [...spec.volumes] }),
    ...instant("startedAt", row.startedAt),
    ...instant("deadlineAt", row.deadlineAt),
    ...instant("readyAt", row.readyAt),
    ...instant("finishedAt", row.finishedAt),
  };
}

function instant<Name extends string>(name: Name, at: number | undefined): { [key in Name]?: string } {
  return (at === undefined ? {} : { [name]: new Date(at).toISOString() }) as { [key in Name]?: string };
}
