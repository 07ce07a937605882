/** What a registry wants to be told, from a secret. Pure. */
import { AtollError } from "../../error.ts";

/** @returns an authentication file, as containers-auth.json(5) has it */
export function authFile(host: string, secret: string, values: Readonly<Record<string, string>>): string {
  const { REGISTRY_USERNAME: user, REGISTRY_PASSWORD: password, SERVICE_ACCOUNT_JSON: account } = values;
  const login =
    user !== undefined && password !== undefined ? `${user}:${password}` : account && `_json_key:${account}`;
  if (!login) {
    const hint = "Give the secret REGISTRY_USERNAME and REGISTRY_PASSWORD, or SERVICE_ACCOUNT_JSON.";
    throw new AtollError("invalid_argument", `cannot use the secret ${secret} for a registry: it has no login`, hint);
  }
  const name = host === "docker.io" ? "https://index.docker.io/v1/" : host;
  return JSON.stringify({ auths: { [name]: { auth: Buffer.from(login).toString("base64") } } });
}
