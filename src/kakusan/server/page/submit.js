/** Sends what is asked for, once and surely, and says inline what was wrong with it. */

import * as api from "./api.js";
import { announce, byId } from "./dom.js";
import { wrong } from "./checks.js";
import { t } from "./i18n.js";
import { learn } from "./jobs.js";
import { isLater, letters, posted, settled, soon } from "./outbox.js";
import { remember } from "./prompt.js";
import { request } from "./request.js";
import { catalog, emit, form } from "./store.js";

/** Where what the server calls by these names is on the page, and what the page calls it. */
const FIELDS = {
  num_inference_steps: ["steps", "steps"],
  guidance_scale: ["guidance", "guidance"],
  num_images_per_prompt: ["count", "count"],
  negative_prompt: ["negative", "negative"],
  variation_strength: ["variation", "variation"],
  variation_seed: ["variation-seed", "variation.seed"],
  clip_skip: ["clip-skip", "clip_skip"],
  prompt_syntax: ["syntax", "syntax"],
  mask_blur: ["mask-blur", "mask.blur"],
  masked_content: ["mask-content", "mask.content"],
  only_masked: ["only-masked", "mask.only"],
  resize_mode: ["resize", "start.resize"],
  strength: ["strength", "start.strength"],
  image: ["start", "start"],
  ...Object.fromEntries(
    ["prompt", "width", "height", "seed", "scheduler", "model", "loras", "controls", "vae"].map(
      (name) => [name, [name, name]],
    ),
  ),
};

/**
 * Sends a request: the form's, or another.
 * @param {{request?: Record<string, any>, first?: boolean, quiet?: boolean}} [how]
 * @returns {Promise<import("./jobs.js").Job | null>} None where it was not taken.
 */
export async function send({ request: given, first = false, quiet = false } = {}) {
  clear();
  const bad = given ? null : wrong();
  if (bad) return refuse(bad.text, bad.field);
  const asked = given ?? request();
  const { prompt } = form;
  const { key } = posted(asked);
  const busy = byId("generate");
  busy.setAttribute("aria-busy", "true");
  try {
    const job = await api.submit(asked, key);
    if (!given) remember(prompt);
    taken(job, key);
    if (!quiet) announce(t("said.queued"));
    if (first) await api.move(job.id, { to: "first" }).then(learn, () => emit("back"));
    return job;
  } catch (error) {
    const { status, field } = /** @type {any} */ (error);
    if (!isLater(status)) {
      settled(key);
      return refuse(explained(/** @type {any} */ (error)), field);
    }
    soon(resend);
    return refuse(status === 401 ? t("problem.token") : t("problem.later"));
  } finally {
    busy.removeAttribute("aria-busy");
  }
}

/** @param {import("./jobs.js").Job} job @param {string} key */
function taken(job, key) {
  settled(key);
  learn(job);
  emit("submitted", job);
}

/** Sends again what was on its way when the page was closed, or the server was away. */
export async function resend() {
  for (const { asked, key } of letters()) {
    try {
      taken(await api.submit(asked, key), key);
      if (byId("problem").textContent === t("problem.later")) clear();
      announce(t("said.queued"));
    } catch (error) {
      const { status, field } = /** @type {any} */ (error);
      if (isLater(status)) return soon(resend);
      settled(key);
      refuse(explained(/** @type {any} */ (error)), field);
    }
  }
  return undefined;
}

/** @param {api.ApiError} error */
export function explained(error) {
  if (error.status === 0) return t("problem.offline");
  if (error.status === 401) return t("problem.token");
  if (error.status === 413) return t("problem.large");
  if (error.status === 429) return t("problem.full");
  if (error.status === 503) return t("problem.closing");
  const words = error.message.replace(/\b[a-z]+(?:_[a-z]+)+\b/g, (name) => {
    const known = FIELDS[/** @type {keyof FIELDS} */ (name)];
    return known ? t(known[1]) : name;
  });
  return t("problem.server", { words });
}

/** @param {string} text @param {string | null} [field] @returns {null} */
export function refuse(text, field = null) {
  const problem = byId("problem");
  problem.textContent = text;
  problem.hidden = false;
  const id = FIELDS[/** @type {keyof FIELDS} */ (field)]?.[0] ?? field;
  const part = id ? document.getElementById(id) : null;
  const missing = "[data-missing], input, select, button";
  const input = part?.matches("input, select, textarea") ? part : part?.querySelector(missing);
  if (input instanceof HTMLElement) {
    if (input === part) input.setAttribute("aria-invalid", "true");
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
  for (const each of document.querySelectorAll("[aria-errormessage]")) {
    each.removeAttribute("aria-invalid");
    each.removeAttribute("aria-errormessage");
  }
}

/** Whether there is a model of this name. @param {string} name */
export const hasModel = (name) => catalog.models.some((each) => each.name === name);
