/** The options that several verbs share, said once. */
import { environment, flag, integer, many, number, one, oneOf, pairs, text } from "./option.ts";
import { outboundSecrets } from "./outbound-secret-option.ts";
import { duration, size } from "./quantity.ts";
import { volumes } from "./volume-option.ts";

const isolations = ["gvisor", "container"] as const;

const ports = (texts: readonly string[]) => texts.map(integer);

export const json = flag("Print JSON, and errors as JSON on stderr.");

/** Of a sandbox's own command and of a process started by exec. */
export const commandOptions = {
  env: many("KEY=VALUE", "Set an environment variable; KEY alone takes it from atoll's environment.", environment, {
    short: "e",
  }),
  secret: many("NAME", "Set the keys of this secret as environment variables.", (names) => names),
  workdir: one("PATH", "Directory the command starts in.", text, { short: "w" }),
  user: one("USER", "NAME, UID, NAME:GROUP or UID:GID; root when absent.", text, { short: "u" }),
  timeout: one("DURATION", "Longest lifetime, such as 30s, 5m or 1h.", duration),
};

/** What a sandbox may reach. */
export const networkOptions = {
  "block-network": flag("Leave nothing but loopback."),
  "allow-cidr": many(
    "RANGE",
    "Let out to this range alone, such as 203.0.113.0/24; may be repeated.",
    (ranges) => ranges,
  ),
  "allow-domain": many(
    "NAME",
    "Let out to this name alone, such as api.example.com or *.example.com; may be repeated.",
    (names) => names,
  ),
};

/** Of everything that makes a sandbox. */
export const sandboxOptions = {
  image: one("IMAGE", "Name or id of an image; the default base image when absent.", text),
  isolation: one("LEVEL", "gvisor or container; the strongest this machine can run when absent.", oneOf(isolations), {
    choices: isolations,
  }),
  cpu: one("CORES", "Limit in cores; fractions allowed.", number),
  memory: one("SIZE", "Memory limit, such as 512MiB or 2GB.", size, { short: "m" }),
  disk: one("SIZE", "Most bytes the sandbox may write to its disk.", size),
  pids: one("COUNT", "Most processes and threads at once.", integer),
  "open-files": one("COUNT", "Most open files of each process.", integer),
  gpu: one("MODEL", 'GPU model and count, such as A100 or A100:2, or "any".', text),
  "idle-timeout": one("DURATION", "Longest time without a running exec, stdin or connection.", duration),
  ...networkOptions,
  network: one("NAME", "Private network: sandboxes of the app that name the same one reach each other.", text),
  "inject-secret": many(
    "NAME=SECRET:HEADER: VALUE",
    "Set a header with keys of a secret, as {{KEY}}, in requests to an allowed name; the sandbox never has it.",
    outboundSecrets,
  ),
  port: many("PORT", "Open this port over TLS; see atoll tunnels.", ports),
  "h2-port": many("PORT", "The same for a service that speaks HTTP/2.", ports),
  "unencrypted-port": many("PORT", "Open this port over plain TCP too.", ports),
  "inbound-cidr": many("CIDR", "Let only addresses of this range use the tunnels.", (ranges) => ranges),
  "identity-token": flag("Set ATOLL_IDENTITY_TOKEN to a signed token that says which sandbox this is."),
  app: one("NAME", 'App that the sandbox belongs to, made if it is new; "default" when absent.', text),
  name: one("NAME", "Name of the sandbox, unique among the app's running ones.", text),
  tag: many("KEY=VALUE", "Label to find the sandbox by.", pairs),
  volume: many(
    "VOLUME:PATH[:ro][,subpath=DIR]",
    "Mount a volume, by its name or id, or a directory of it; with :ro read-only.",
    volumes,
    { short: "v" },
  ),
  ...commandOptions,
};

/** Of verbs that connect this terminal to a process. */
export const attachOptions = {
  interactive: flag("Pass stdin on even when it is a terminal.", "i"),
  pty: flag("Give the command a terminal; with this one in raw mode when stdin is a terminal.", "t"),
  "no-stdin": flag("Do not pass stdin on; the command reads an empty one."),
};
