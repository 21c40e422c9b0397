/** The form beside the picture: size, steps, guidance, seed and their like. */

import { byId, fill, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { randomSeed, schedulerName, settings, usual } from "./request.js";
import { catalog, change, choose, form, keep, on, recall } from "./store.js";

/** Sides as parts of the model's own. */
const SHAPES = /** @type {const} */ ({
  square: [1, 1],
  portrait: [3, 4],
  landscape: [4, 3],
  wide: [16, 9],
});
const PAIRS = /** @type {const} */ (["steps", "guidance", "count"]);
const SYNTAXES = ["webui", "comfy", "compel", "plain"];

export function begin() {
  for (const name of PAIRS) pair(name, name);
  pair("variation", "variation");
  for (const name of /** @type {const} */ (["width", "height"])) whole(name, name);
  whole("clip-skip", "clipSkip");
  fill(byId("swap"), icon("swap"));
  fill(byId("seed-dice"), icon("dice"));
  fill(byId("seed-last"), icon("again"));
  byId("swap").addEventListener("click", () => {
    const { width, height } = settings();
    change({ width: height, height: width });
  });
  selects();
  seeds();
  folds();
  on("form", show);
  on("catalog", draw);
  on("language", draw);
  on("submitted", (job) => {
    keep("seed", job.request.seed);
    shownSeed();
  });
  draw();
}

/** A number and the slider beside it. @param {string} id @param {any} name */
function pair(id, name) {
  for (const each of [byId(id), byId(`${id}-range`)]) {
    each.addEventListener("input", () => typed(each, name));
    each.addEventListener("change", () => show({}));
  }
}

/** @param {string} id @param {any} name */
function whole(id, name) {
  byId(id).addEventListener("input", () => typed(byId(id), name));
  byId(id).addEventListener("change", () => show({}));
}

/** An empty field is the model's own value. @param {HTMLInputElement} input @param {string} name */
function typed(input, name) {
  const value = input.value === "" ? null : Number(input.value);
  const empty = name === "count" ? 1 : name === "variation" ? 0 : null;
  change({ [name]: value === null || Number.isNaN(value) ? empty : value }, input);
}

function selects() {
  const one = /** @type {any[]} */ ([
    ["scheduler", "scheduler"],
    ["syntax", "syntax"],
    ["vae", "vae"],
  ]);
  for (const [id, name] of one) {
    byId(id).addEventListener("change", () => change({ [name]: byId(id).value }));
  }
  byId("model").addEventListener("change", () => choose(byId("model").value));
}

function seeds() {
  const input = byId("seed");
  input.addEventListener("input", () => {
    change({ seed: input.value, locked: input.value.trim() !== "" }, input);
  });
  byId("seed-lock").addEventListener("click", () => {
    if (form.locked) return change({ locked: false });
    const last = recall("seed", null);
    const seed = form.seed.trim() || String(last ?? randomSeed());
    return change({ locked: true, seed });
  });
  byId("seed-dice").addEventListener("click", () => {
    change({ seed: String(randomSeed()), locked: true });
  });
  byId("seed-last").addEventListener("click", () => {
    const last = recall("seed", null);
    if (last !== null) change({ seed: String(last), locked: true });
  });
  byId("variation-seed").addEventListener("input", () => {
    change({ variationSeed: byId("variation-seed").value }, byId("variation-seed"));
  });
}

/** The side column is a fold on a phone, and always open beside the picture. */
function folds() {
  const side = byId("side");
  const wide = matchMedia("(min-width: 960px)");
  const fit = () => {
    side.open = wide.matches || recall("side", false);
    const summary = side.querySelector("summary");
    if (wide.matches) summary?.setAttribute("tabindex", "-1");
    else summary?.removeAttribute("tabindex");
  };
  side.querySelector("summary")?.addEventListener("click", (/** @type {Event} */ event) => {
    if (wide.matches) event.preventDefault();
    else keep("side", !side.open);
  });
  wide.addEventListener("change", fit);
  fit();
  const more = byId("more");
  more.open = recall("more", false);
  more.addEventListener("toggle", () => keep("more", more.open));
}

/** What depends on the catalog and the language. */
function draw() {
  const options = (/** @type {any[]} */ all) =>
    all.map(({ name, title }) => h("option", { value: name }, title ?? name));
  fill(byId("model"), options(catalog.models.map(titled)));
  byId("model").value = form.model;
  fill(
    byId("scheduler"),
    h("option", { value: "" }, t("scheduler.own")),
    options(catalog.schedulers.map(called)),
  );
  fill(byId("vae"), h("option", { value: "" }, t("vae.own")), options(catalog.vaes));
  fill(
    byId("syntax"),
    SYNTAXES.map((each) => h("option", { value: each }, t(`syntax.${each}`))),
  );
  shapes();
  show({});
}

/** By the name that most tools have for it, or the paper's. @param {any} each */
function called({ name, automatic1111, comfyui, class: kind }) {
  const short = kind?.replace(/Scheduler$/, "");
  const paper = short?.toLowerCase() === name ? short : null;
  return { name, title: automatic1111 ?? paper ?? comfyui ?? name };
}

/** With the name that the page has for what comes with kakusan. @param {any} each */
export function titled(each) {
  return each.name === "builtin" ? { ...each, title: t("model.builtin") } : each;
}

function shapes() {
  const own = usual();
  const base = Math.sqrt(own.width * own.height);
  const buttons = Object.entries(SHAPES).map(([name, [across, down]]) => {
    const sides = name === "square" ? [own.width, own.height] : sidesOf([across, down], base);
    const drawn = h("span", { class: "shape" });
    drawn.style.width = `${0.9 * Math.sqrt(across / down)}rem`;
    drawn.style.height = `${0.9 * Math.sqrt(down / across)}rem`;
    return h(
      "button",
      {
        type: "button",
        class: "soft",
        "aria-label": t(`size.${name}`, { width: sides[0], height: sides[1] }),
        title: t(`size.${name}`, { width: sides[0], height: sides[1] }),
        data: { width: sides[0], height: sides[1] },
        on: { click: () => change({ width: sides[0], height: sides[1] }) },
      },
      drawn,
    );
  });
  fill(byId("shapes"), buttons);
}

/**
 * The sides of a shape with the area of a square, in steps of 64, or of 8 for a small model.
 * @param {number[]} parts @param {number} base the side of that square
 */
function sidesOf(parts, base) {
  const step = base < 384 ? 8 : 64;
  const scale = base / Math.sqrt(parts[0] * parts[1]);
  return parts.map((part) => Math.max(step, Math.round((part * scale) / step) * step));
}

/** Puts what the form holds into its fields, but for the one that is being typed in. @param {any} told */
function show({ source = null } = {}) {
  const now = settings();
  /** @type {[string, any][]} */
  const values = [
    ...Object.entries(now),
    ["count", form.count],
    ["variation", form.variation],
    ["clip-skip", form.clipSkip ?? ""],
    ["seed", form.seed],
    ["variation-seed", form.variationSeed],
    ["scheduler", form.scheduler],
    ["syntax", form.syntax],
    ["vae", form.vae],
    ["model", form.model],
  ];
  for (const [id, value] of values) {
    for (const field of [byId(id), document.getElementById(`${id}-range`)]) {
      if (field && field !== source) /** @type {any} */ (field).value = String(value);
    }
  }
  foreign(byId("scheduler"), form.scheduler);
  byId("vae-field").hidden = !catalog.vaes.length && !form.vae;
  foreign(byId("vae"), form.vae);
  for (const button of byId("shapes").children) {
    const { width, height } = button.dataset;
    button.setAttribute(
      "aria-pressed",
      String(Number(width) === now.width && Number(height) === now.height),
    );
  }
  byId("model-field").hidden = catalog.models.length < 2;
  shownSeed();
}

/** A scheduler that a picture named and the list does not have. @param {any} select @param {string} name */
function foreign(select, name) {
  if (!name || [...select.options].some((each) => each.value === name)) return;
  const said = schedulerName(name) ?? name;
  const title = said === name ? name : t("scheduler.picture", { name: said });
  select.append(h("option", { value: name }, title));
  select.value = name;
}

function shownSeed() {
  const last = recall("seed", null);
  const lock = byId("seed-lock");
  const name = t(form.locked ? "seed.unlock" : "seed.lock");
  lock.setAttribute("aria-label", t("seed.lock"));
  lock.setAttribute("aria-pressed", String(form.locked));
  lock.title = name;
  fill(lock, icon(form.locked ? "lock" : "unlock"));
  byId("seed").placeholder = t("seed.random");
  byId("seed-last").disabled = last === null;
  const note = form.locked ? (form.count > 1 ? t("seed.counted") : "") : t("seed.each");
  byId("seed-note").textContent =
    last === null || form.locked ? note : `${note} ${t("seed.was", { seed: last })}`;
}
