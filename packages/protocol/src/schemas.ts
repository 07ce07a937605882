/** The shapes of everything the native API takes and gives: those of each noun stand in its file, beside its operations. */
export * from "./apps.ts";
export * from "./disk.ts";
export * from "./files.ts";
export * from "./images.ts";
export * from "./mounts.ts";
export { NetworkPolicy, OutboundSecret } from "./network.ts";
export * from "./network-log.ts";
export { PrivateNetwork, PrivateNetworkList } from "./private-networks.ts";
export * from "./processes.ts";
export * from "./sandboxes.ts";
export * from "./secrets.ts";
export * from "./server.ts";
export * from "./snapshots.ts";
export * from "./tokens.ts";
export * from "./tunnels.ts";
export { Isolation, Name, Pty, Result } from "./values.ts";
export * from "./volumes.ts";
