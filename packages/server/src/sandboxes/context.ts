import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { Gpus } from "../devices/gpus.ts";
import type { Identity } from "../identity/identity.ts";
import type { Seal } from "../secrets/seal.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Slots } from "../slots.ts";
import type { StateDirectory } from "../state-directory.ts";
import type { Store } from "../store/store.ts";
import type { VolumeMounts } from "../volumes/mounts.ts";
import type { MachineSize } from "./defaults.ts";
import type { Images } from "./image.ts";
import type { IsolationLevels } from "./isolation-levels.ts";
import type { Observer } from "./observer.ts";
import type { OutboundSecrets } from "./outbound-secrets.ts";
import type { Tunnels } from "./tunnels.ts";
import type { WarmPool } from "./warm-pool.ts";

/** What the sandboxes of one server share. */
export interface Context {
  readonly config: Config;
  readonly state: StateDirectory;
  readonly store: Store;
  readonly levels: IsolationLevels;
  readonly images: Images;
  /** Removes images whose time is over, unless they are used. */
  readonly expireImages: (now: number) => Promise<void>;
  readonly secrets: Secrets;
  readonly outboundSecrets: OutboundSecrets;
  readonly volumes: VolumeMounts;
  readonly seal: Seal;
  readonly identity: Identity;
  readonly gpus: Gpus;
  readonly machine: MachineSize;
  readonly creations: Slots;
  readonly pool: WarmPool;
  readonly tunnels: Tunnels;
  readonly observer: Observer;
  readonly log: Logger;
  /** Aborted when the server stops. */
  readonly stopping: AbortSignal;
  /** Makes the loop look at everything again. */
  readonly wake: () => void;
}
