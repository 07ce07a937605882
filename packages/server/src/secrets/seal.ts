import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Encrypts what is kept on the disk: AES-256-GCM, laid out as 12 bytes nonce, 16 bytes tag, ciphertext. */
export interface Seal {
  /** @param purpose bound to the ciphertext, so that one sealed value cannot be passed off as another */
  close(plain: string, purpose: string): Uint8Array;
  /** @throws Error when the key is another one or the bytes were altered */
  open(sealed: Uint8Array, purpose: string): string;
}

const nonceBytes = 12;
const tagBytes = 16;

export function sealWith(key: Uint8Array): Seal {
  return {
    close: (plain, purpose) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(purpose));
      const body = Buffer.concat([cipher.update(plain, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open: (sealed, purpose) => {
      const nonce = sealed.subarray(0, nonceBytes);
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
        .setAAD(Buffer.from(purpose))
        .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
      const body = decipher.update(sealed.subarray(nonceBytes + tagBytes));
      return Buffer.concat([body, decipher.final()]).toString("utf8");
    },
  };
}

/**
 * The key given in the configuration, else the one in `secret.key` of the state directory, which is made on first use.
 * @throws Error when it is not 32 bytes of base64
 */
export function secretKey(configured: string | undefined, stateDirectory: string): Uint8Array {
  if (configured !== undefined) return keyFrom(configured, "ATOLL_SECRET_KEY");
  const file = join(stateDirectory, "secret.key");
  if (!existsSync(file)) writeOnce(file, `${randomBytes(32).toString("base64")}\n`);
  return keyFrom(readFileSync(file, "utf8").trim(), file);
}

function keyFrom(text: string, where: string): Uint8Array {
  const key = Buffer.from(text, "base64");
  if (key.length === 32) return key;
  throw new Error(
    `cannot use the key in ${where}: it must be 32 bytes in base64, as \`openssl rand -base64 32\` prints`,
  );
}

/** Whole and on the disk before it has its name: half a key would make every secret unreadable. */
function writeOnce(file: string, content: string): void {
  const temporary = `${file}.${process.pid}.new`;
  rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, "wx", 0o600);
  try {
    writeSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  linkSync(temporary, file);
  rmSync(temporary);
}
