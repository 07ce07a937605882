export { App, type AppInfo } from "./app.ts";
export { type CallOptions, Client, type ClientOptions, defaultClient, type RequestInput } from "./client.ts";
export type { Endpoint } from "./endpoint.ts";
export {
  AbortedError,
  AtollError,
  type AtollErrorCode,
  type AtollErrorDetails,
  AuthenticationError,
  CapacityError,
  ConflictError,
  ConnectionError,
  ExecTimeoutError,
  type FailedStep,
  FailedToStartError,
  ImageBuildError,
  InvalidError,
  NotFoundError,
  SandboxFilesystemDirectoryNotEmptyError,
  SandboxFilesystemError,
  SandboxFilesystemIsADirectoryError,
  SandboxFilesystemNoSpaceError,
  SandboxFilesystemNotADirectoryError,
  SandboxFilesystemNotFoundError,
  SandboxFilesystemPathAlreadyExistsError,
  SandboxFilesystemPermissionError,
  SandboxFilesystemReadOnlyError,
  SandboxTerminatedError,
  SandboxTimeoutError,
  ServerError,
  TimeoutError,
  UnsupportedError,
} from "./errors.ts";
export type { Answer } from "./fetch.ts";
export { type FileMode, SandboxFile, type Whence } from "./file.ts";
export { FileWatcher } from "./file-watcher.ts";
export {
  type ByteSource,
  type CopyOptions,
  type FileOptions,
  type ReadFileOptions,
  SandboxFilesystem,
  type WatchOptions,
  type WriteFileOptions,
} from "./filesystem.ts";
export type {
  DiskUse,
  FileEntry,
  FileEvent,
  FileEventType,
  GcReport,
  Isolation,
  IsolationStatus,
  NewToken,
  OperationName,
  Operations,
  Pty,
  ReadinessProbe,
  Result,
  SandboxState,
  Status,
  TimelineEntry,
  Token,
} from "./generated/api.ts";
export {
  type AddLocalDirOptions,
  type BuildOptions,
  type BuildStarted,
  type DebianSlimOptions,
  type DockerfileOptions,
  type ExportOptions,
  type FromDockerfileOptions,
  Image,
  type ImageInfo,
  type ImportOptions,
  type LogEntry,
  type LogOptions,
  type PushedImage,
  type PushOptions,
  type RegistryOptions,
  type RunOptions,
} from "./image.ts";
export type { BuildEvent, TransferEvent } from "./image-events.ts";
export type { OutputLogEntry, OutputLogOptions } from "./log.ts";
export { type NetworkLogEntry, SandboxNetwork } from "./network.ts";
export type { ExecOptions, NetworkPolicyOptions, OutboundSecretOptions, SandboxCreateOptions } from "./options.ts";
export { OutputReader, type ReadAllOptions, type ReadOptions } from "./output.ts";
export { PrivateNetwork, type PrivateNetworkInfo, type PrivateNetworkListOptions } from "./private-network.ts";
export { Process, type ProcessInfo } from "./process.ts";
export type { FinishedResult, WaitOptions } from "./result.ts";
export {
  type MountImageOptions,
  Sandbox,
  type SandboxInfo,
  type SandboxListOptions,
  type SnapshotOptions,
} from "./sandbox.ts";
export { type LookupOptions, Secret, type SecretInfo } from "./secret.ts";
export { StdinWriter } from "./stdin.ts";
export { Terminal, type TerminalOptions } from "./terminal.ts";
export { type ConnectToken, type ConnectTokenOptions, Tunnel } from "./tunnel.ts";
export {
  MountedVolume,
  Volume,
  type VolumeCopyOptions,
  type VolumeFileOptions,
  type VolumeInfo,
  type VolumeMountOptions,
  type VolumeNameOptions,
} from "./volume.ts";
