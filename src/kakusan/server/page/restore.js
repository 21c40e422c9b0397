/** All that a picture of the history was drawn with, with the pictures that it was drawn from. */

import * as api from "./api.js";
import { t } from "./i18n.js";
import { useAll } from "./request.js";
import { clear, explained, hasModel, refuse } from "./submit.js";
import { again } from "./thumbs.js";

/** What a request is that makes one picture of a job again. */
const OF_EACH = ["image", "mask"];

let using = 0; // how often it was asked for: only the last one's answer is taken

/**
 * A job's request for one of its pictures, with the ids of what it begins at.
 * @param {import("./jobs.js").Job} job
 * @param {Record<string, any>} record the picture's
 * @param {number} index
 * @returns {Promise<Record<string, any>>}
 */
export async function askedFor(job, record, index) {
  const { num_images_per_prompt: _, ...asked } = await api.again(job.id);
  for (const name of OF_EACH) {
    if (Array.isArray(asked[name])) asked[name] = asked[name][index % asked[name].length];
  }
  const own = ["prompt", "negative_prompt", "template", "negative_template", "seed"];
  own.push("variation_strength", "variation_seed");
  const told = own.map((name) => [name, record[name]]);
  return { ...asked, ...Object.fromEntries(told.filter(([, value]) => value !== undefined)) };
}

/**
 * Puts all of it into the form.
 * @param {import("./jobs.js").Job} job
 * @param {Record<string, any>} record
 * @param {number} [index]
 */
export async function useAllOf(job, record, index = 0) {
  const mine = ++using;
  clear();
  try {
    const asked = await askedFor(job, record, index);
    const steered = await steering(asked);
    if (mine === using) useAll(asked, hasModel, steered);
  } catch (error) {
    if (mine !== using) return;
    useAll(record, hasModel);
    const { status } = /** @type {api.ApiError} */ (error);
    const gone = status === 422 || status === 404;
    refuse(gone ? t("problem.gone") : explained(/** @type {api.ApiError} */ (error)));
  }
}

/**
 * What of the form are pictures and networks that steer.
 * @param {Record<string, any>} asked
 * @returns {Promise<Partial<import("./store.js").Form>>}
 */
async function steering(asked) {
  const one = (/** @type {any} */ id) => (Array.isArray(id) ? id[0] : id);
  const handed = (/** @type {any} */ id) => (id ? again(one(id)) : Promise.resolve(null));
  const [start, mask, ...shown] = await Promise.all([
    handed(asked.image),
    handed(asked.mask),
    ...(asked.controls ?? []).map((/** @type {any} */ each) => handed(each.image)),
  ]);
  const controls = shown.map((image, i) => {
    const { model, kind, scale, start: from, end } = asked.controls[i];
    return { image, model, kind: kind ?? "none", scale: scale ?? 1, start: from ?? 0, end: end ?? 1 };
  });
  return {
    ...{ start, mask, controls, resize: asked.resize_mode ?? "crop" },
    ...(asked.mask_blur === undefined ? {} : { maskBlur: asked.mask_blur }),
    maskContent: asked.masked_content ?? "original",
    onlyMasked: Boolean(asked.only_masked),
  };
}
