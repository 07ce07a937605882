/**
 * How this machine's own package clients reach their registries: proxies, certificates, indexes, credentials. It is offered to
 * build steps for as long as they run, in the sandbox's memory (`/dev/shm`) and environment, neither of which becomes a layer.
 */
import { readdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { RunHost } from "../layers/layer-store.ts";

export interface HostAccess {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly environment: Readonly<Record<string, string>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** In memory at both isolation levels, and never part of a layer. */
export const accessDirectory = "/dev/shm/.atoll-build";
const at = (name: string) => `${accessDirectory}/${name}`;
const bundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
const bundleVariables = [
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "NODE_EXTRA_CA_CERTS",
  "GIT_SSL_CAINFO",
];
const proxyVariable = /^(https?|ftp|all|no)_proxy$/i;

/** Read anew for each build: what the machine's administrator changes holds from then on. */
export async function hostAccess(run: RunHost, env: Environment, signal: AbortSignal): Promise<HostAccess> {
  const bundle = await firstText([env.SSL_CERT_FILE ?? "", ...bundles]);
  const pip = await firstText([env.PIP_CONFIG_FILE ?? "", join(homedir(), ".config/pip/pip.conf"), "/etc/pip.conf"]);
  const npm = await texts([env.npm_config_globalconfig ?? "/etc/npmrc", join(homedir(), ".npmrc")]);
  const apt = await run(["apt-config", "dump"], { signal, timeoutMs: 10_000 }).catch(() => undefined);
  const logins = await texts(["/etc/apt/auth.conf", ...(await files("/etc/apt/auth.conf.d"))]);
  signal.throwIfAborted();
  return accessFrom({ bundle, pip, npm, apt: apt?.stdout ?? "", logins, env });
}

interface Found {
  readonly bundle: string;
  readonly pip: string;
  readonly npm: string;
  /** As `apt-config dump` prints it. */
  readonly apt: string;
  readonly logins: string;
  readonly env: Environment;
}

/** Pure. */
export function accessFrom({ bundle, pip, npm, apt, logins, env }: Found): HostAccess {
  const files = [
    { path: at("ca.pem"), content: bundle },
    { path: at("pip.conf"), content: pip },
    { path: at("npmrc"), content: npmSettings(npm) },
    { path: at("apt.conf"), content: aptSettings(apt, logins !== "") },
    { path: at("apt-auth.conf"), content: logins },
  ].filter(({ content }) => content !== "");
  const has = (name: string) => files.some(({ path }) => path === at(name));
  return {
    files,
    environment: {
      ...inherited(env),
      ...(has("ca.pem") && Object.fromEntries(bundleVariables.map((name) => [name, at("ca.pem")]))),
      ...(has("pip.conf") && { PIP_CONFIG_FILE: at("pip.conf") }),
      ...(has("npmrc") && { NPM_CONFIG_USERCONFIG: at("npmrc") }),
      ...(has("apt.conf") && { APT_CONFIG: at("apt.conf") }),
    },
  };
}

/** Proxies, and what pip and npm take from the environment, but for paths: they mean files of this machine. */
function inherited(env: Environment): Record<string, string> {
  const wanted = Object.entries(env).filter(
    ([name, value]) =>
      value !== undefined &&
      (proxyVariable.test(name) || (/^(PIP|npm_config|NPM_CONFIG|UV)_/i.test(name) && !value.startsWith("/"))),
  );
  return Object.fromEntries(wanted) as Record<string, string>;
}

function npmSettings(npmrc: string): string {
  const wanted = npmrc.split("\n").filter((line) => /registry|_auth|_password|username|proxy|strict-ssl/i.test(line));
  return wanted.length > 0 ? `${wanted.join("\n")}\n` : "";
}

function aptSettings(dump: string, hasLogins: boolean): string {
  const wanted = dump
    .split("\n")
    .filter((line) => /^Acquire::(https?|ftp|Retries|ForceIPv[46]|Check-Valid-Until)\b/.test(line))
    .filter((line) => !/ "\/?"?;$| "\//.test(line));
  if (hasLogins) wanted.push(`Dir::Etc::netrc "${at("apt-auth.conf")}";`);
  wanted.push(`Acquire::https::CAInfo "${at("ca.pem")}";`);
  return `${wanted.join("\n")}\n`;
}

async function firstText(paths: readonly string[]): Promise<string> {
  for (const path of paths) {
    const text = path === "" ? "" : await textOf(path);
    if (text !== "") return text;
  }
  return "";
}

async function texts(paths: readonly string[]): Promise<string> {
  const found = await Promise.all(paths.map(textOf));
  return found
    .filter((text) => text !== "")
    .map((text) => `${text.trimEnd()}\n`)
    .join("");
}

/** Empty when there is no such file. */
async function textOf(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return "";
    throw error;
  });
}

async function files(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((): string[] => []);
  return names
    .filter((name) => name.endsWith(".conf"))
    .sort()
    .map((name) => join(directory, name));
}
