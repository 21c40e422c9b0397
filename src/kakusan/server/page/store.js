/** What the page knows, and who is told when it changes. */

/**
 * @typedef {{id: string, width: number, height: number, thumbnail?: string, name?: string}} Handed
 * @typedef {{name: string, weight: number}} Adapter
 * @typedef {{image: Handed | null, model: string, kind: string, scale: number, start: number,
 *   end: number}} Control
 * @typedef {Object} Form
 * @property {string} prompt
 * @property {string} negative
 * @property {string} model
 * @property {number | null} width
 * @property {number | null} height
 * @property {number | null} steps
 * @property {number | null} guidance
 * @property {string} scheduler
 * @property {number} count
 * @property {string} seed
 * @property {boolean} locked
 * @property {number} variation
 * @property {string} variationSeed
 * @property {number | null} clipSkip
 * @property {string} syntax
 * @property {Handed | null} start
 * @property {number} strength
 * @property {string} resize
 * @property {Handed | null} mask
 * @property {number} maskBlur
 * @property {string} maskContent
 * @property {boolean} onlyMasked
 * @property {Adapter[]} loras
 * @property {Control[]} controls
 * @property {string} vae
 * @property {Record<string, any>} extra what a picture was drawn with and the page has no field for
 */

/** @type {Form} */
export const EMPTY = {
  prompt: "",
  negative: "",
  model: "",
  width: null,
  height: null,
  steps: null,
  guidance: null,
  scheduler: "",
  count: 1,
  seed: "",
  locked: false,
  variation: 0,
  variationSeed: "",
  clipSkip: null,
  syntax: "webui",
  start: null,
  strength: 0.6,
  resize: "crop",
  mask: null,
  maskBlur: 4,
  maskContent: "original",
  onlyMasked: false,
  loras: [],
  controls: [],
  vae: "",
  extra: {},
};

/** What each model is remembered with. */
const OF_A_MODEL = /** @type {const} */ ([
  "width",
  "height",
  "steps",
  "guidance",
  "scheduler",
  "clipSkip",
  "vae",
]);

const listeners = new EventTarget();

/**
 * @param {string} name
 * @param {(detail: any) => void} work
 */
export function on(name, work) {
  listeners.addEventListener(name, (event) => work(/** @type {CustomEvent} */ (event).detail));
}

/**
 * @param {string} name
 * @param {any} [detail]
 */
export function emit(name, detail) {
  listeners.dispatchEvent(new CustomEvent(name, { detail }));
}

/**
 * What was kept under a name, or what there is where nothing usable was.
 * @param {string} name
 * @param {any} otherwise
 * @returns {any}
 */
export function recall(name, otherwise) {
  try {
    const text = localStorage.getItem(`kakusan.${name}`);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/**
 * Keeps something over a reload; a browser that keeps nothing is no reason to stop.
 * @param {string} name
 * @param {any} value
 */
export function keep(name, value) {
  try {
    localStorage.setItem(`kakusan.${name}`, JSON.stringify(value));
  } catch {
    // full, or forbidden
  }
}

/** @type {Form} */
export const form = { ...EMPTY, ...known(recall("form", {})) };
/** @type {Record<string, Partial<Form>>} */
const models = recall("models", {});

/**
 * Of what somebody says of a form, what has the kind that it should have.
 * @param {any} said
 * @returns {Partial<Form>}
 */
export function known(said) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, usual] of Object.entries(EMPTY)) {
    const value = said?.[name];
    if (value === undefined) continue;
    if (fits(name, usual, value)) found[name] = value;
  }
  return /** @type {Partial<Form>} */ (found);
}

/** @param {string} name @param {any} usual @param {any} value */
function fits(name, usual, value) {
  if (name === "start" || name === "mask") return value === null || typeof value?.id === "string";
  if (name === "loras") return Array.isArray(value) && value.every(isAdapter);
  if (Array.isArray(usual)) return Array.isArray(value);
  if (Array.isArray(value) || (name === "extra" && value === null)) return false;
  if (usual === null) return value === null || Number.isFinite(value);
  return typeof value === typeof usual;
}

/** @param {any} each */
function isAdapter(each) {
  return typeof each?.name === "string" && Number.isFinite(each.weight);
}

/**
 * Changes some of the form, keeps it, and tells.
 * @param {Partial<Form>} patch
 * @param {any} [source] who did it, so that a field that is being typed in is left alone
 */
export function change(patch, source = null) {
  Object.assign(form, patch);
  keep("form", form);
  if (form.model) {
    models[form.model] = Object.fromEntries(OF_A_MODEL.map((name) => [name, form[name]]));
    keep("models", models);
  }
  emit("form", { patch, source });
}

/**
 * Takes another model, with what was last set for it.
 * @param {string} name
 */
export function choose(name) {
  // what was typed before there was a model is meant for the first one
  const left = form.model ? OF_A_MODEL : [];
  const fresh = Object.fromEntries(left.map((each) => [each, EMPTY[each]]));
  change({ ...fresh, ...known(models[name] ?? {}), model: name });
}

/** What lies in the folders of the server; filled by `main.js`. */
export const catalog = {
  /** @type {any[]} */ models: [],
  /** @type {any[]} */ schedulers: [],
  /** @type {any[]} */ loras: [],
  /** @type {any[]} */ controlnets: [],
  /** @type {any[]} */ vaes: [],
  /** @type {any[]} */ embeddings: [],
};

/** The model that is set, as the catalog tells of it. */
export function model() {
  const { models: all } = catalog;
  return all.find((each) => each.name === form.model) ?? all[0] ?? {};
}
