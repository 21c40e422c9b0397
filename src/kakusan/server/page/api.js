/** What the server is asked, and what it answers, in the words of this page. */

import { emit } from "./store.js";

/** An answer that is no, or none at all (status 0). */
export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    const detail = body?.detail ?? body?.title;
    super(typeof detail === "string" ? detail : `HTTP ${status}`);
    this.status = status;
    this.field = typeof body?.field === "string" ? body.field : null;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [how]
 * @returns {Promise<any>}
 */
async function call(path, how = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...how });
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    emit("reached", false);
    throw new ApiError(0, null);
  }
  emit("reached", true);
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const body = isJson ? await answer.json().catch(() => null) : null;
  if (answer.status === 401) emit("stranger");
  if (!answer.ok) throw new ApiError(answer.status, body);
  return body;
}

/** @param {string} method @param {any} [json] @param {Record<string, string>} [headers] */
const sent = (method, json, headers = {}) => ({
  method,
  headers: json === undefined ? headers : { "Content-Type": "application/json", ...headers },
  body: json === undefined ? undefined : JSON.stringify(json),
});

/** @param {Record<string, any>} values */
function query(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

/** A key that no other submission has; `randomUUID` is there on secure addresses only. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((each) => each.toString(16).padStart(2, "0"))
    .join("");
}

/** @param {any} raw @returns {import("./jobs.js").Job} */
export function jobOf(raw) {
  return {
    ...raw,
    request: raw.request ?? {},
    inputs: raw.inputs ?? [],
    pictures: (raw.pictures ?? []).map((/** @type {any} */ each, /** @type {number} */ i) => ({
      ...each,
      index: each.index ?? i,
      record: each.record ?? raw.request ?? {},
    })),
    step: raw.step ?? 0,
    steps: raw.steps ?? 0,
    eta: raw.eta ?? null,
    error: raw.error ?? null,
    position: raw.position ?? 0,
  };
}

/** @param {string} token */
export const enter = (token) => call("/session", sent("POST", { token }));

/** @param {Record<string, any>} request @param {string} key */
export const submit = async (request, key) =>
  jobOf(await call("/v1/jobs", sent("POST", request, { "Idempotency-Key": key })));

/** @param {string} id */
export const job = async (id) => jobOf(await call(`/v1/jobs/${id}`));

/** What to hand in for the same job once more. @param {string} id @returns {Promise<any>} */
export const again = (id) => call(`/v1/jobs/${id}/again`);

/** @param {{state?: string, q?: string, after?: string, limit?: number}} which */
export async function list(which = {}) {
  const found = await call(`/v1/jobs${query(which)}`);
  return { jobs: found.jobs.map(jobOf), next: found.next ?? null };
}

/** Ends a job early; `interrupt` keeps what there is. @param {string} id @param {string} how */
export const stop = async (id, how = "cancel") =>
  jobOf(await call(`/v1/jobs/${id}`, sent("PATCH", { stop: how })));

/** @param {string} id @param {{to?: "first" | "last", before?: string}} where */
export const move = async (id, where) => jobOf(await call(`/v1/jobs/${id}`, sent("PATCH", where)));

/** @param {string} id */
export const remove = (id) => call(`/v1/jobs/${id}`, sent("DELETE"));

/** @param {Blob} picture @returns {Promise<import("./store.js").Handed>} */
export const upload = (picture) =>
  call("/v1/inputs", { method: "POST", body: picture, headers: { "Content-Type": picture.type } });

/** What a picture tells of how it was made. @param {Blob} picture */
export const read = (picture) =>
  call("/v1/read", { method: "POST", body: picture, headers: { "Content-Type": picture.type } });

/** @param {string} text @param {string} model @param {string} syntax */
export async function tokens(text, model, syntax) {
  const found = await call(`/v1/tokens${query({ text, model, syntax })}`);
  return {
    room: found.room,
    segments: found.schedule?.[0]?.parts.flatMap((/** @type {any} */ part) => part.segments) ?? [],
    chunks: found.chunks?.[0]?.chunks ?? [],
    cut: found.cut ?? [],
    unknown: found.unknown_words ?? {},
    readAs: found.read_as ?? {},
    unread: found.unread_grammar ?? [],
  };
}

/** @param {keyof typeof import("./store.js").catalog} kind @returns {Promise<any[]>} */
export async function entries(kind) {
  const found = await call(`/v1/${kind}`);
  return found[kind] ?? found.data ?? [];
}

/** @param {string} id @param {number} index @param {{size?: number, format?: string}} [how] */
export const pictureAt = (id, index, how = {}) => `/v1/jobs/${id}/pictures/${index}${query(how)}`;

/** @param {string} id */
export const inputAt = (id) => `/v1/inputs/${id}`;
