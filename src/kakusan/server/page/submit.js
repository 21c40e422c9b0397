/** Sends what is asked for, once and surely, and says inline what was wrong with it. */

import * as api from "./api.js";
import { announce, byId } from "./dom.js";
import { t } from "./i18n.js";
import { remember } from "./prompt.js";
import { request } from "./request.js";
import { catalog, change, emit, form, keep, learn, model, recall } from "./store.js";

/** Where what the server calls by these names is on the page. */
const FIELDS = {
  num_inference_steps: "steps",
  guidance_scale: "guidance",
  num_images_per_prompt: "count",
  negative_prompt: "negative",
  variation_strength: "variation",
  variation_seed: "variation-seed",
  clip_skip: "clip-skip",
  prompt_syntax: "syntax",
  ...Object.fromEntries(
    ["prompt", "width", "height", "seed", "scheduler", "model"].map((n) => [n, n]),
  ),
};
const KEPT = 60; // requests with pictures, whose records do not say where those are

/**
 * Sends a request: the form's, or another.
 * @param {{request?: Record<string, any>, first?: boolean, quiet?: boolean}} [how]
 * @returns {Promise<import("./store.js").Job | null>} None where it was not taken.
 */
export async function send({ request: given, first = false, quiet = false } = {}) {
  clear();
  const asked = given ?? request();
  if (!given && !form.prompt.trim() && !form.start) return refuse(t("problem.empty"), "prompt");
  const { key } = pending(asked);
  const busy = byId("generate");
  busy.setAttribute("aria-busy", "true");
  try {
    const job = await api.submit(asked, key);
    settle(key);
    noted(job.id, asked);
    if (!given) remember(form.prompt);
    learn(job);
    emit("submitted", job);
    if (!quiet) announce(t("said.queued"));
    if (first) learn(await api.move(job.id, { to: "first" }));
    return job;
  } catch (error) {
    const { status, field } = /** @type {any} */ (error);
    if (![0, 401].includes(status) && status < 500) settle(key);
    return refuse(explained(/** @type {any} */ (error)), field);
  } finally {
    busy.removeAttribute("aria-busy");
  }
}

/**
 * The key that a request is sent under; the same again after a reload or a lost answer.
 * @param {Record<string, any>} asked
 */
function pending(asked) {
  const text = JSON.stringify({ ...asked, seed: form.locked ? asked.seed : null });
  const last = recall("pending", null);
  if (last?.text === text && last.asked) {
    Object.assign(asked, last.asked);
    return last;
  }
  const fresh = { text, key: api.newKey(), asked };
  keep("pending", fresh);
  return fresh;
}

/** @param {string} key */
function settle(key) {
  if (recall("pending", null)?.key === key) keep("pending", null);
}

/** Sends again what was on its way when the page was closed. */
export async function resend() {
  const last = recall("pending", null);
  if (!last?.asked) return;
  try {
    const job = await api.submit(last.asked, last.key);
    learn(job);
    emit("submitted", job);
    settle(last.key);
  } catch (error) {
    const { status } = /** @type {any} */ (error);
    if (![0, 401].includes(status) && status < 500) settle(last.key);
  }
}

/** @param {string} id @param {Record<string, any>} asked */
function noted(id, asked) {
  if (!asked.image && !asked.controls) return;
  const all = [[id, asked], ...recall("steered", [])].slice(0, KEPT);
  keep("steered", all);
}

/** A job's request as it can be sent again. @param {import("./store.js").Job} job */
export function resendable(job) {
  const sent = recall("steered", /** @type {[string, any][]} */ ([])).find(([id]) => id === job.id);
  const own = sent?.[1] ?? job.request;
  return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== null));
}

/** @param {api.ApiError} error */
export function explained(error) {
  if (error.status === 0) return t("problem.offline");
  if (error.status === 401) return t("problem.token");
  if (error.status === 413) return t("problem.large");
  if (error.status === 429) return t("problem.full");
  if (error.status === 503) return t("problem.closing");
  return error.message;
}

/** @param {string} text @param {string | null} [field] @returns {null} */
export function refuse(text, field = null) {
  const problem = byId("problem");
  problem.textContent = text;
  problem.hidden = false;
  const id = FIELDS[/** @type {keyof FIELDS} */ (field)] ?? null;
  const input = id && document.getElementById(id);
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-errormessage", "problem");
    for (let up = input.parentElement; up; up = up.parentElement) {
      if (up instanceof HTMLDetailsElement) up.open = true;
    }
    input.focus();
  }
  return null;
}

export function clear() {
  byId("problem").hidden = true;
  byId("problem").textContent = "";
  for (const each of document.querySelectorAll("[aria-invalid]")) {
    each.removeAttribute("aria-invalid");
    each.removeAttribute("aria-errormessage");
  }
}

/** Whether there is a model of this name. @param {string} name */
export const hasModel = (name) => catalog.models.some((each) => each.name === name);

/** Puts the form back to what the model has, but for the texts. */
export function reset() {
  const { prompt, negative, model: name } = form;
  change({
    ...{ width: null, height: null, steps: null, guidance: null, scheduler: "", clipSkip: null },
    ...{ count: 1, seed: "", locked: false, variation: 0, variationSeed: "", syntax: "webui" },
    ...{ start: null, mask: null, loras: [], controls: [], strength: 0.6, resize: "crop" },
    ...{ prompt, negative, model: name || model().name || "" },
  });
}
