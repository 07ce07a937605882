/** A registry of Debian's on loopback, and images of a test's own making. */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { needPackages } from "./packages.ts";

export interface Registry extends Disposable {
  readonly host: string;
}

/** Installs it when it is not there. @param login makes the registry private */
export async function startRegistry(login?: { readonly user: string; readonly password: string }): Promise<Registry> {
  needPackages({ "/usr/bin/docker-registry": "docker-registry" });
  const directory = mkdtempSync(join(tmpdir(), "atoll-registry-"));
  const port = await freePort();
  const passwords = join(directory, "htpasswd");
  const auth = login === undefined ? "" : `auth: {htpasswd: {realm: test, path: ${passwords}}}\n`;
  if (login) writeFileSync(passwords, `${login.user}:${bcrypt(login.password)}\n`);
  const config = join(directory, "config.yml");
  const storage = `storage: {filesystem: {rootdirectory: ${join(directory, "data")}}}`;
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "127.0.0.1:${port}"}\n${auth}`);
  const child = spawn("/usr/bin/docker-registry", ["serve", config], { stdio: "ignore" });
  const host = `127.0.0.1:${port}`;
  while (
    !(await fetch(`http://${host}/v2/`).then(
      () => true,
      () => false,
    ))
  )
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    host,
    [Symbol.dispose]: () => {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function bcrypt(password: string): string {
  return execFileSync("perl", ["-e", "print crypt($ARGV[0], q($2y$05$abcdefghijklmnopqrstuu))", password]).toString();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface TestLayer {
  /** A tar archive. */
  readonly tar: Buffer;
  readonly compression: "gzip" | "zstd" | "none";
}

const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
const architecture = architectures[process.arch] ?? process.arch;

/** Writes an OCI layout; `isIndex` puts another platform's image beside it. */
export function ociLayout(directory: string, layers: readonly TestLayer[], config: object, isIndex = false): void {
  const blobs = join(directory, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const blob = (bytes: Buffer | string, mediaType: string) => {
    const hex = sha256(bytes);
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes) };
  };
  const types = { gzip: "+gzip", zstd: "+zstd", none: "" };
  const packed = layers.map(({ tar, compression }) => {
    const bytes = compression === "gzip" ? gzipSync(tar) : compression === "zstd" ? zstdCompressSync(tar) : tar;
    return blob(bytes, `application/vnd.oci.image.layer.v1.tar${types[compression]}`);
  });
  const manifestOf = (arch: string) => {
    const rootfs = { type: "layers", diff_ids: layers.map(({ tar }) => `sha256:${sha256(tar)}`) };
    const text = JSON.stringify({ architecture: arch, os: "linux", config, rootfs });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config: blob(text, "application/vnd.oci.image.config.v1+json"),
      layers: packed,
    };
    return { ...blob(JSON.stringify(manifest), mediaType), platform: { architecture: arch, os: "linux" } };
  };
  const manifests = isIndex ? [manifestOf("s390x"), manifestOf(architecture)] : [manifestOf(architecture)];
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const index = { schemaVersion: 2, mediaType, manifests };
  const top = isIndex ? { schemaVersion: 2, mediaType, manifests: [blob(JSON.stringify(index), mediaType)] } : index;
  writeFileSync(join(directory, "index.json"), JSON.stringify(top));
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

function sha256(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Fills a registry with a layout. */
export function push(layout: string, reference: string, login?: string): void {
  const options = ["--dest-tls-verify=false", ...(login === undefined ? [] : [`--dest-creds=${login}`])];
  execFileSync("skopeo", [
    "--insecure-policy",
    "copy",
    "--quiet",
    "--all",
    ...options,
    `oci:${layout}`,
    `docker://${reference}`,
  ]);
}
