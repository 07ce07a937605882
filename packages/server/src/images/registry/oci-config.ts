/** Between an OCI image's configuration and ours. Pure. */
import type { ImageConfig } from "@atoll/protocol";

/** The parts of an image configuration that are read; https://github.com/opencontainers/image-spec, config.md. */
export interface OciConfig {
  readonly architecture?: unknown;
  readonly config?: {
    readonly Env?: unknown;
    readonly WorkingDir?: unknown;
    readonly User?: unknown;
    readonly Entrypoint?: unknown;
    readonly Cmd?: unknown;
    readonly Shell?: unknown;
    readonly Labels?: unknown;
    readonly ExposedPorts?: unknown;
  } | null;
  readonly rootfs?: { readonly diff_ids?: unknown };
}

/** Takes what is well formed; an image from elsewhere may say anything. */
export function configOf({ config }: OciConfig): ImageConfig {
  const given = config ?? {};
  const workdir = text(given.WorkingDir);
  const user = text(given.User);
  const entrypoint = words(given.Entrypoint);
  const cmd = words(given.Cmd);
  const shell = words(given.Shell);
  const labels = strings(given.Labels);
  const ports = typeof given.ExposedPorts === "object" ? Object.keys(given.ExposedPorts ?? {}) : [];
  return {
    env: environment(given.Env),
    ...(workdir?.startsWith("/") && { workdir }),
    ...(user && { user }),
    ...(entrypoint && { entrypoint }),
    ...(cmd && { cmd }),
    ...(shell && { shell }),
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(ports.length > 0 && { ports }),
  };
}

/** The reverse of `configOf`. */
export function ociConfig(config: ImageConfig): NonNullable<OciConfig["config"]> {
  const { env, workdir, user, entrypoint, cmd, shell, labels, ports } = config;
  return {
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...(workdir !== undefined && { WorkingDir: workdir }),
    ...(user !== undefined && { User: user }),
    ...(entrypoint && { Entrypoint: entrypoint }),
    ...(cmd && { Cmd: cmd }),
    ...(shell && { Shell: shell }),
    ...(labels && { Labels: labels }),
    ...(ports && { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
  };
}

function environment(list: unknown): Record<string, string> {
  const pairs = (words(list) ?? []).map((entry) => /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(entry));
  return Object.fromEntries(pairs.flatMap((match) => (match ? [[match[1] ?? "", match[2] ?? ""]] : [])));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function words(value: unknown): string[] | undefined {
  const isList = Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === "string");
  return isList ? value : undefined;
}

function strings(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
}
