/** The picture to begin at: how far to go from it, and which part of it is drawn anew. */

import { byId, fill, h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { paint } from "./mask.js";
import { change, form, on } from "./store.js";
import { choosePicture, pictureOf } from "./intake.js";
import { hand } from "./thumbs.js";
import { explained, refuse } from "./submit.js";

const CONTENTS = ["original", "fill", "noise", "nothing"];
const RESIZES = ["crop", "stretch", "fill"];

export function begin() {
  on("form", ({ patch, source }) => {
    if (source !== "start" && ("start" in patch || "mask" in patch || "strength" in patch)) draw();
  });
  on("language", draw);
  on("use-start", (entry) => void use(entry));
  on(
    "take-start",
    (file) => void take(file).catch((error) => refuse(explained(/** @type {any} */ (error)))),
  );
  draw();
}

/** @param {import("./viewer.js").Entry} entry a picture of the history */
async function use({ job, picture }) {
  try {
    await take(await pictureOf(job, picture));
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

let taking = 0;

/** @param {Blob} picture */
export async function take(picture) {
  const mine = ++taking;
  const start = await hand(picture);
  if (mine !== taking) return; // another was taken meanwhile, or this one was removed
  change({ start, mask: null });
  byId("side").open = true;
  byId("start").scrollIntoView({ block: "nearest" });
  byId("strength").focus();
}

function draw() {
  const { start } = form;
  fill(byId("start"), start ? chosen(start) : empty());
}

function empty() {
  const pick = () => choosePicture(take);
  return [
    iconButton("picture", t("start.choose"), pick, { shown: true, class: "wide" }),
    h("p", { class: "note" }, t("start.hint")),
  ];
}

/** @param {import("./store.js").Handed} start */
function chosen(start) {
  const thumb = h("img", { class: "thumb", src: start.thumbnail ?? "", alt: t("start") });
  const remove = () => {
    taking += 1;
    change({ start: null, mask: null });
    /** @type {any} */ (byId("start").querySelector("button"))?.focus();
  };
  const acts = [
    iconButton("brush", t(form.mask ? "mask.again" : "mask"), () => void paint(), { shown: true }),
    iconButton("swap", t("start.size"), () => change(fitting(start)), { shown: true }),
    iconButton("close", t("start.remove"), remove, { shown: true }),
  ];
  return h(
    "div",
    { class: "handed" },
    h(
      "div",
      { class: "top" },
      start.thumbnail ? thumb : null,
      h("div", { class: "side-by" }, acts),
    ),
    slider("strength", t("start.strength"), form.strength, 0, 1, 0.01, (value) =>
      change({ strength: value }, "start"),
    ),
    h("p", { class: "note" }, t("start.strength.hint")),
    form.mask ? masked() : resizing(),
  );
}

/** The size of a picture as one that can be drawn. @param {import("./store.js").Handed} start */
function fitting({ width, height }) {
  const most = Math.min(1, 1024 / Math.max(width, height));
  const side = (/** @type {number} */ n) => Math.max(8, Math.round((n * most) / 8) * 8);
  return { width: side(width), height: side(height) };
}

function resizing() {
  return select("resize", t("start.resize"), RESIZES, "resize", form.resize);
}

function masked() {
  const remove = () => {
    change({ mask: null });
    /** @type {any} */ (byId("start").querySelector(".side-by button"))?.focus();
  };
  const only = h("input", {
    id: "only-masked",
    type: "checkbox",
    on: { change: () => change({ onlyMasked: only.checked }, "start") },
  });
  only.checked = form.onlyMasked;
  return [
    h(
      "div",
      { class: "top" },
      h("img", { class: "thumb", src: form.mask?.thumbnail ?? "", alt: t("mask.alt") }),
      iconButton("bin", t("mask.remove"), remove, { shown: true }),
    ),
    slider("mask-blur", t("mask.blur"), form.maskBlur, 0, 64, 1, (value) =>
      change({ maskBlur: value }, "start"),
    ),
    select("mask-content", t("mask.content"), CONTENTS, "maskContent", form.maskContent),
    h("div", { class: "check" }, only, h("label", { for: "only-masked" }, t("mask.only"))),
  ];
}

/**
 * A number with its slider.
 * @param {string} id @param {string} name @param {number} value @param {number} min
 * @param {number} max @param {number} step @param {(value: number) => void} changed
 */
export function slider(id, name, value, min, max, step, changed) {
  const number = h("input", {
    id,
    type: "number",
    inputmode: "decimal",
    min,
    max,
    step,
    value: String(value),
  });
  const range = h("input", {
    type: "range",
    min,
    max,
    step,
    value: String(value),
    "aria-label": name,
  });
  for (const [one, two] of [
    [number, range],
    [range, number],
  ]) {
    one.addEventListener("input", () => {
      if (one.value === "") return;
      two.value = one.value;
      changed(Number(one.value));
    });
  }
  return h("div", { class: "pair" }, h("label", { for: id }, name), number, range);
}

/**
 * @param {string} id @param {string} name @param {string[]} values @param {"resize" | "maskContent"} key
 * @param {string} value
 */
function select(id, name, values, key, value) {
  const made = h(
    "select",
    { id, on: { change: () => change({ [key]: made.value }, "start") } },
    values.map((each) => h("option", { value: each }, t(`${key}.${each}`))),
  );
  made.value = value;
  return h("div", {}, h("label", { for: id }, name), made);
}
