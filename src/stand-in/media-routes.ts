/**
 * Media as Langfuse keeps them: where to upload is asked for, the bytes go to a storage of their own (here a route beside
 * the API, opened by its signature alone), and the upload is reported. Strict: the storage takes only what was announced.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Context, Hono } from "hono";
import { accessOf, type Keys } from "./access.ts";

export interface StoredMedia {
  id: string;
  contentType: string;
  contentLength: number;
  /** Reported as uploaded. */
  isUploaded: boolean;
  /** Of the bytes that arrived, in base64; undefined: none did. */
  sha256: string | undefined;
  /** `traceId/observationId/field` of each that was linked to it. */
  links: string[];
}

interface Row extends StoredMedia {
  announcedSha256: string;
  signature: string;
}

const contentType = /^(?:image|audio|video|text|application)\/[\w.+-]+$/;
const fields: readonly unknown[] = ["input", "output", "metadata"];
const largestBytes = 1_000_000_000;
const idCharacters = 22;

export class MediaStorage {
  readonly #rows = new Map<string, Row>();

  media(): StoredMedia[] {
    return [...this.#rows.values()].map(({ id, contentType: type, contentLength, isUploaded, sha256, links }) => {
      return { id, contentType: type, contentLength, isUploaded, sha256, links };
    });
  }

  find(id: string): Row | undefined {
    return this.#rows.get(id);
  }

  announce(request: Announcement): Row {
    const { traceId, observationId, field, contentType: type, contentLength, sha256Hash } = request;
    const id = sha256Hash.replaceAll("+", "-").replaceAll("/", "_").slice(0, idCharacters);
    const row = this.#rows.get(id) ?? {
      id,
      contentType: type,
      contentLength,
      isUploaded: false,
      sha256: undefined,
      links: [],
      announcedSha256: sha256Hash,
      signature: randomUUID(),
    };
    const link = `${traceId}/${observationId ?? ""}/${field}`;
    if (!row.links.includes(link)) row.links.push(link);
    this.#rows.set(id, row);
    return row;
  }

  clear(): void {
    this.#rows.clear();
  }
}

interface Announcement {
  traceId: string;
  observationId?: string | null;
  field: string;
  contentType: string;
  contentLength: number;
  sha256Hash: string;
}

export function addMediaRoutes(app: Hono, storage: MediaStorage, keys: Keys): void {
  app.use("/api/public/media/*", async (context, next) => (await refusal(context, keys)) ?? (await next()));
  app.post("/api/public/media", async (context) => {
    const request = (await context.req.json().catch(() => undefined)) as Announcement | undefined;
    const fault = faultOf(request);
    if (request === undefined || fault !== undefined) {
      return context.json({ message: "Invalid request data", error: [fault] }, 400);
    }
    const row = storage.announce(request);
    const { origin } = new URL(context.req.url);
    const uploadUrl = row.isUploaded ? null : `${origin}/storage/${row.id}?signature=${row.signature}`;
    return context.json({ mediaId: row.id, uploadUrl }, 201);
  });
  app.patch("/api/public/media/:id", async (context) => {
    const row = storage.find(context.req.param("id"));
    const body = (await context.req.json().catch(() => ({}))) as Record<string, unknown>;
    if (row === undefined) return context.json({ message: "Media asset not found" }, 404);
    const { uploadedAt, uploadHttpStatus } = body;
    if (Number.isNaN(Date.parse(String(uploadedAt))) || !Number.isInteger(uploadHttpStatus)) {
      return context.json({ message: "Invalid request data" }, 400);
    }
    if (uploadHttpStatus === 200 || uploadHttpStatus === 201) row.isUploaded = true;
    return context.json({});
  });
  app.get("/api/public/media/:id", (context) => {
    const row = storage.find(context.req.param("id"));
    if (row?.isUploaded !== true) return context.json({ message: "Media asset not found" }, 404);
    return context.json({ mediaId: row.id, contentType: row.contentType, contentLength: row.contentLength });
  });
  app.put("/storage/:id", (context) => takeBytes(context, storage));
}

async function refusal(context: Context, keys: Keys): Promise<Response | undefined> {
  const access = accessOf(context.req.header("authorization"), keys);
  if (access.kind === "refused") return context.json({ message: access.message }, 401);
  if (access.kind === "scores-only") return context.json({ message: "Access denied: use Basic authentication" }, 403);
  return undefined;
}

function faultOf(request: Announcement | undefined): string | undefined {
  if (request === undefined) return "no JSON";
  if (typeof request.traceId !== "string" || request.traceId === "") return "traceId";
  if (!fields.includes(request.field)) return "field";
  if (!contentType.test(request.contentType)) return "contentType";
  const isLength = Number.isInteger(request.contentLength) && request.contentLength > 0;
  if (!isLength || request.contentLength > largestBytes) return "contentLength";
  return /^[A-Za-z0-9+/]{43}=$/.test(request.sha256Hash) ? undefined : "sha256Hash";
}

/** As S3: the signature opens it, without keys, and the headers are part of what was signed. */
async function takeBytes(context: Context, storage: MediaStorage): Promise<Response> {
  const row = storage.find(context.req.param("id") ?? "");
  if (row === undefined || context.req.query("signature") !== row.signature) return context.text("AccessDenied", 403);
  if (context.req.header("authorization") !== undefined) return context.text("InvalidArgument: two signatures", 400);
  if (context.req.header("content-type") !== row.contentType) return context.text("SignatureDoesNotMatch", 403);
  const bytes = Buffer.from(await context.req.arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("base64");
  const isWhole = bytes.length === row.contentLength && sha256 === row.announcedSha256;
  if (!isWhole || context.req.header("x-amz-checksum-sha256") !== sha256) return context.text("BadDigest", 400);
  row.sha256 = sha256;
  return context.body(null, 200);
}
