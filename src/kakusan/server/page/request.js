/** From the form to what is asked for, and from what a picture tells back to the form. */

import { EMPTY, catalog, change, choose, form, known, model } from "./store.js";

const SEEDS = 2 ** 32; // numbers beyond 2 ** 53 are not exact here

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % SEEDS;
}

/** What a picture can have been drawn with that the page has no field for; it is sent as it is. */
const CARRIED = [
  ...["rng", "ensd", "emphasis", "pad_conds", "old_timelines", "seed_resize", "truncate_pixels"],
  ...["second_pass", "upscale", "eta", "guidance_rescale", "timesteps", "sigmas", "freeu"],
  ...["quality_budget", "reuse_interval", "lora_scale", "soft_mask", "outpaint", "prompt_2"],
  ...["negative_prompt_2", "original_size", "crops_coords_top_left", "target_size"],
  ...["negative_original_size", "negative_crops_coords_top_left", "negative_target_size"],
  ...["force_zeros_for_empty_prompt", "aesthetic_score", "negative_aesthetic_score"],
  ...["denoising_start", "denoising_end"],
];

/** A seed as it was typed: a number where it is exact, else the digits, for the server to judge. */
function seedOf(/** @type {string} */ typed) {
  const text = typed.trim();
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

/** The settings that are the model's own where nothing else was set. */
export function usual() {
  const known = model();
  const steps = form.start ? known.img2img_steps : known.num_inference_steps;
  return {
    width: known.width ?? 512,
    height: known.height ?? 512,
    steps: steps ?? 25,
    guidance: known.guidance_scale ?? 7.5,
  };
}

/** What the next picture is drawn with, where the form leaves it to the model. */
export function settings() {
  const own = usual();
  return {
    width: form.width ?? own.width,
    height: form.height ?? own.height,
    steps: form.steps ?? own.steps,
    guidance: form.guidance ?? own.guidance,
  };
}

/**
 * What the server is asked for.
 * @returns {Record<string, any>}
 */
export function request() {
  // Until the models are known, what was not set is left to the server.
  const { width, height, steps, guidance } = catalog.models.length ? settings() : form;
  /** @type {Record<string, any>} */
  const asked = {
    ...form.extra,
    prompt: form.prompt,
    seed: form.locked && form.seed.trim() ? seedOf(form.seed) : randomSeed(),
  };
  const own = { width, height, num_inference_steps: steps, guidance_scale: guidance };
  for (const [name, value] of Object.entries(own)) if (value !== null) asked[name] = value;
  if (form.negative.trim()) asked.negative_prompt = form.negative;
  if (form.model) asked.model = form.model;
  if (form.scheduler) asked.scheduler = config(form.scheduler) ?? form.scheduler;
  if (form.vae) asked.vae = form.vae;
  if (form.count !== 1) asked.num_images_per_prompt = form.count;
  if (form.syntax !== "plain") asked.prompt_syntax = form.syntax;
  if (form.clipSkip) asked.clip_skip = form.clipSkip;
  if (form.variation > 0) {
    asked.variation_strength = form.variation;
    asked.variation_seed = form.variationSeed.trim() ? seedOf(form.variationSeed) : randomSeed();
  }
  return { ...asked, ...learnt(), ...steered() };
}

/** Learnt words that the prompts name, as AUTOMATIC1111 takes them. */
function learnt() {
  if (form.syntax !== "webui") return {};
  const named = catalog.embeddings.filter(({ name }) => isNamed(wordOf(name)));
  return named.length ? { embeddings: named.map(({ name }) => name) } : {};
}

/** The word that a file of a learnt word is named by. @param {string} name */
const wordOf = (name) => name.slice(name.lastIndexOf("/") + 1);

/** Whether a word is one that the server has learnt. @param {string} word */
export function isLearnt(word) {
  const same = (/** @type {any} */ { name }) => wordOf(name).toLowerCase() === word.toLowerCase();
  return form.syntax === "webui" && catalog.embeddings.some(same);
}

/** Whether a prompt has a learnt word. @param {string} learnt */
function isNamed(learnt) {
  const word = learnt.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const found = new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, "iu");
  return found.test(`${form.prompt}\n${form.negative}`);
}

/** The pictures and networks that steer. */
function steered() {
  /** @type {Record<string, any>} */
  const asked = {};
  if (form.start) {
    Object.assign(asked, { image: form.start.id, strength: form.strength });
    if (form.resize !== "crop") asked.resize_mode = form.resize;
  }
  if (form.start && form.mask) {
    Object.assign(asked, { mask: form.mask.id, mask_blur: form.maskBlur, outside: "exact" });
    if (form.maskContent !== "original") asked.masked_content = form.maskContent;
    if (form.onlyMasked) asked.only_masked = 32;
  }
  const loras = form.loras.filter((each) => each.name && each.weight);
  if (loras.length) {
    asked.loras = loras.map(({ name, weight }) => ({
      name,
      text_weight: weight,
      unet_weight: weight,
    }));
  }
  const controls = form.controls.filter((each) => each.image && each.model);
  if (controls.length) {
    asked.controls = controls.map(({ image, model: net, kind, scale, start, end }) => ({
      image: image?.id,
      model: net,
      kind,
      scale,
      start,
      end,
    }));
  }
  return asked;
}

/** @param {any} value */
const one = (value) => (Array.isArray(value) ? value[0] : value);
/** @param {any} value */
const text = (value) => (typeof value === "string" ? value : undefined);
/** @param {any} value */
const figure = (value) => (typeof value === "number" && Number.isFinite(value) ? value : undefined);

/** The name of a scheduler, or of its class. @param {any} value */
export function schedulerName(value) {
  const told = config(value) ?? value;
  return text(told) ?? text(told?.name) ?? text(told?._class_name)?.replace(/Scheduler$/, "");
}

/** A scheduler's own settings, which the form holds as text. @param {any} value */
function config(value) {
  try {
    return typeof value === "string" && value.startsWith("{") ? JSON.parse(value) : null;
  } catch {
    return null;
  }
}

/** A scheduler as the form holds it. @param {any} value */
function schedulerOf(value) {
  return typeof value === "object" && value ? JSON.stringify(value) : (text(value) ?? "");
}

/** @param {Record<string, any>} record */
function carried(record) {
  const some = CARRIED.map((name) => [name, record[name]]);
  const told = some.filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(told.filter(([name, value]) => name !== "guidance_rescale" || value));
}

/**
 * What the form would be for a record of a picture.
 * @param {Record<string, any>} record
 * @returns {Partial<import("./store.js").Form>}
 */
export function formOf(record) {
  const found = {
    prompt: text(one(record.template)) ?? text(one(record.prompt)) ?? "",
    negative: text(one(record.negative_template)) ?? text(one(record.negative_prompt)) ?? "",
    width: figure(record.width),
    height: figure(record.height),
    steps: figure(record.num_inference_steps),
    guidance: figure(record.guidance_scale),
    scheduler: schedulerOf(record.scheduler),
    strength: figure(record.strength),
    vae: text(record.vae) ?? "",
    extra: carried(record),
    clipSkip: figure(record.clip_skip) ?? null,
    syntax: text(record.prompt_syntax) ?? "plain",
    seed: record.seed === undefined || record.seed === null ? undefined : String(record.seed),
    variation: figure(record.variation_strength) ?? 0,
    variationSeed: record.variation_seed === undefined ? "" : String(record.variation_seed ?? ""),
    loras: (record.loras ?? []).map((/** @type {any} */ each) => ({
      name: String(each?.name ?? each),
      weight: figure(each?.unet_weight) ?? 1,
    })),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/**
 * Takes all that a record tells of how it was drawn.
 * @param {Record<string, any>} record
 * @param {(name: string) => boolean} [has] whether there is such a model
 * @param {Partial<import("./store.js").Form>} [steering] the pictures that it was drawn from
 */
export function useAll(record, has = () => true, steering = {}) {
  const name = text(record.model);
  if (name && name !== form.model && has(name)) choose(name);
  const found = known({ ...EMPTY, ...formOf(record), ...steering });
  const { model: _, count, ...rest } = /** @type {any} */ (found);
  change({ ...rest, locked: Boolean(rest.seed) });
}

/** @param {Record<string, any>} record */
export function usePrompt(record) {
  const { prompt, negative, syntax } = formOf(record);
  change({ prompt, negative, syntax });
}

/** @param {Record<string, any>} record */
export function useSeed(record) {
  const { seed } = formOf(record);
  if (seed !== undefined) change({ seed, locked: true });
}

/** @param {Record<string, any>} record */
export function useSize(record) {
  const { width, height } = formOf(record);
  if (width && height) change({ width, height });
}
