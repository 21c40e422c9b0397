/** From the form to what is asked for, and from what a picture tells back to the form. */

import { EMPTY, change, choose, form, known, model } from "./store.js";

const SEEDS = 2 ** 32; // numbers beyond 2 ** 53 are not exact here

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % SEEDS;
}

/** A seed as it was typed: a number where it is exact, else the digits, for the server to judge. */
function seedOf(/** @type {string} */ typed) {
  const text = typed.trim();
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

/** The settings that are the model's own where nothing else was set. */
export function usual() {
  const known = model();
  return {
    width: known.width ?? 512,
    height: known.height ?? 512,
    steps: known.num_inference_steps ?? 25,
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
  const { width, height, steps, guidance } = settings();
  /** @type {Record<string, any>} */
  const asked = {
    prompt: form.prompt,
    width,
    height,
    num_inference_steps: steps,
    guidance_scale: guidance,
    seed: form.locked && form.seed.trim() ? seedOf(form.seed) : randomSeed(),
  };
  if (form.negative.trim()) asked.negative_prompt = form.negative;
  if (form.model) asked.model = form.model;
  if (form.scheduler) asked.scheduler = form.scheduler;
  if (form.count !== 1) asked.num_images_per_prompt = form.count;
  if (form.syntax !== "plain") asked.prompt_syntax = form.syntax;
  if (form.clipSkip) asked.clip_skip = form.clipSkip;
  if (form.variation > 0) {
    asked.variation_strength = form.variation;
    asked.variation_seed = form.variationSeed.trim() ? seedOf(form.variationSeed) : randomSeed();
  }
  return { ...asked, ...steered() };
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
  return text(value) ?? text(value?.name) ?? text(value?._class_name)?.replace(/Scheduler$/, "");
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
    scheduler: schedulerName(record.scheduler) ?? "",
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
 */
export function useAll(record, has = () => true) {
  const name = text(record.model);
  if (name && name !== form.model && has(name)) choose(name);
  const found = known({ ...EMPTY, ...formOf(record) });
  const { start, strength, mask, controls, model: _, count, ...rest } = /** @type {any} */ (found);
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

/** What cannot be in a link: pictures lie on one server. */
const NOT_SHARED = ["start", "mask", "controls"];

/** An address of this page with its settings, behind the `#`, which is sent to no server. */
export function link() {
  const changed = Object.entries(form).filter(
    ([name, value]) =>
      !NOT_SHARED.includes(name) && JSON.stringify(value) !== JSON.stringify(EMPTY[name]),
  );
  const where = new URL(location.href);
  where.hash = new URLSearchParams({
    settings: JSON.stringify(Object.fromEntries(changed)),
  }).toString();
  return where.href;
}

/**
 * Takes the settings of such an address.
 * @param {string} said
 * @returns {boolean} whether there were any
 */
export function takeLink(said) {
  try {
    const found = known(JSON.parse(said));
    for (const name of NOT_SHARED) delete found[name];
    if (!Object.keys(found).length) return false;
    change({ ...EMPTY, model: form.model, ...found });
    return true;
  } catch {
    return false;
  }
}
