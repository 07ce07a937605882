/** The authenticated way to a port of a sandbox: every request is parsed, so that none passes unseen. */
import type { Asked } from "./admission.ts";
import { admit } from "./admission.ts";
import type { ConnectGrant } from "./connect-token.ts";
import type { Target } from "./passage.ts";
import type { Refusal } from "./refusal.ts";

export interface Door {
  readonly target: Target;
  readonly signal: AbortSignal;
  /** The grant of a valid token for this door. */
  check(token: string): ConnectGrant | undefined;
}

export function admitTo(door: Door, asked: Asked) {
  return admit(asked, (token) => door.check(token), Date.now());
}

export const unauthenticated: Refusal = {
  status: 401,
  message: "cannot open this port without a valid connect token",
  hint: "Send one of sandbox.createConnectToken() as `Authorization: Bearer TOKEN`, or open the URL with ?_atoll_connect_token=TOKEN.",
};

export const unreachable: Refusal = {
  status: 502,
  message: "cannot reach the port: nothing listens on it in the sandbox",
  hint: "Start the service on 0.0.0.0 and try again.",
  isPassing: true,
};
