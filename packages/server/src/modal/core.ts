import type { Apps } from "../apps/apps.ts";
import type { Environments } from "../environments/environments.ts";
import type { Files } from "../files/files.ts";
import type { ImageService } from "../images/images.ts";
import type { SandboxProcesses } from "../sandboxes/sandbox-processes.ts";
import type { Sandboxes } from "../sandboxes/sandboxes.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { OpenFilesTable } from "../store/store.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Tunnels } from "../tunnels/tunnels.ts";
import type { VolumeMounts } from "../volumes/mounts.ts";
import type { VolumeFiles } from "../volumes/volume-files.ts";
import type { Volumes } from "../volumes/volumes.ts";
import type { Call } from "./grpc/call.ts";
import type { SignedTokens } from "./signed-token.ts";

/** What the dialect calls. */
export interface Core {
  readonly apps: Apps;
  readonly environments: Environments;
  readonly sandboxes: Sandboxes;
  readonly processes: SandboxProcesses;
  readonly images: ImageService;
  readonly files: Files;
  readonly openFiles: OpenFilesTable;
  readonly secrets: Secrets;
  readonly volumes: Volumes;
  readonly volumeFiles: VolumeFiles;
  readonly volumeMounts: VolumeMounts;
  readonly tokens: Tokens;
  readonly tunnels: Tunnels;
  readonly signed: SignedTokens;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
}

/** A call to the command router, whose token admits to one sandbox. */
export interface TaskCall extends Call {
  readonly sandboxId: string;
}
