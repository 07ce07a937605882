/** HTTP beside the calls, under signed addresses: what is too large for a message. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerSignal } from "../answer-signal.ts";
import { AtollError } from "../error.ts";
import type { Core } from "./core.ts";
import { type Call, metadataOf } from "./grpc/call.ts";
import type { SignedTokens } from "./signed-token.ts";

/** Of one file that comes whole. */
export const mostBlobBytes = 64 * 1024 ** 3;
/** Of one piece of a file that comes, or goes, in pieces. */
export const blockBytes = 8 * 1024 ** 2;

/** Blobs are whole files. */
type Kind = keyof typeof mostBytes;
const mostBytes = { blobs: mostBlobBytes, blocks: blockBytes } as const;
const lifetimeMs = 3_600_000;

/** Where a client sends a content. */
export function uploadUrl(kind: Kind, digest: string, signed: SignedTokens, call: Call): string {
  return urlOf(call, kind, signed.sign(`put ${kind}`, digest, lifetimeMs));
}

/** A piece of a file in a volume, as long as the file is what it was. */
export interface Block {
  readonly volumeId: string;
  readonly path: string;
  readonly start: number;
  readonly bytes: number;
  /** Of the whole file. */
  readonly sizeBytes: number;
  readonly modifiedAt: string;
}

/** Where a client gets it. */
export function downloadUrl(block: Block, signed: SignedTokens, call: Call): string {
  return urlOf(call, "blocks", signed.sign("get blocks", JSON.stringify(block), lifetimeMs));
}

function urlOf(call: Call, kind: Kind, token: string): string {
  return `${call.isEncrypted ? "https" : "http"}://${metadataOf(call, ":authority")}/modal/${kind}?token=${token}`;
}

/** Routes of a server that other clients share. The address is the permission. */
export function transferRoutes(core: Core): (app: FastifyInstance) => Promise<void> {
  const config = { isPublic: true };
  const put = (kind: Kind) => async (request: FastifyRequest, reply: FastifyReply) => {
    const digest = permitted(core.signed, `put ${kind}`, request);
    const md5 = createHash("md5");
    const body = request.body instanceof Readable ? request.body : Readable.from([]);
    const hashed = async function* (): AsyncGenerator<Buffer> {
      for await (const piece of body) {
        md5.update(piece);
        yield piece;
      }
    };
    await core.images.contents.put(digest, hashed(), answerSignal(reply.raw, core.stopping), mostBytes[kind]);
    // Clients compare it with what they sent.
    return reply.header("etag", `"${md5.digest("hex")}"`).send("");
  };
  const get = async (request: FastifyRequest, reply: FastifyReply) => {
    const block: Block = JSON.parse(permitted(core.signed, "get blocks", request));
    const { volumeId, path, start, bytes } = block;
    const signal = answerSignal(reply.raw, core.stopping);
    await checkUnchanged(core, block, signal);
    const { source } = await core.volumeFiles.read(volumeId, path, start, bytes, signal);
    return reply
      .header("content-type", "application/octet-stream")
      .header("content-length", bytes)
      .send(Readable.from(source));
  };
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
    app.put("/modal/blobs", { config }, put("blobs"));
    app.put("/modal/blocks", { config }, put("blocks"));
    app.get("/modal/blocks", { config }, get);
  };
}

/** @throws AtollError when a change has put another file in its place */
async function checkUnchanged({ volumeFiles }: Core, block: Block, signal: AbortSignal): Promise<void> {
  const { size, modifiedAt } = await volumeFiles.stat(block.volumeId, block.path, true, signal);
  if (size === block.sizeBytes && modifiedAt === block.modifiedAt) return;
  throw new AtollError("conflict", `cannot read on in ${block.path}: the file has changed`, "Read it once more.");
}

function permitted(signed: SignedTokens, purpose: string, request: FastifyRequest): string {
  const { token } = request.query as { readonly token?: unknown };
  const subject = typeof token === "string" ? signed.subject(purpose, token) : undefined;
  if (subject !== undefined) return subject;
  throw new AtollError("unauthenticated", "cannot answer: the address is not valid, or too old", "Ask for a new one.");
}
