/** LoRAs, and networks that steer by a picture. */

import { byId, fill, h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { choosePicture } from "./intake.js";
import { slider } from "./start.js";
import { catalog, change, form, on } from "./store.js";
import { explained, refuse } from "./submit.js";
import { hand } from "./thumbs.js";

/** What a picture can be made into before a network sees it. */
const KINDS = [
  ...["canny", "none", "scribble", "scribble_xdog", "tile", "tile_resample", "recolor"],
  ...["recolor_intensity", "invert", "threshold", "blur", "inpaint"],
];

export function begin() {
  on("form", ({ patch, source }) => {
    if (source === "adapters") return;
    if ("loras" in patch) loras();
    if ("controls" in patch) controls();
  });
  on("take-control", (file) => void steer(file));
  for (const name of ["language", "catalog"]) {
    on(name, () => {
      loras();
      controls();
    });
  }
}

function loras() {
  const list = byId("loras");
  if (!catalog.loras.length && !form.loras.length)
    return fill(list, h("p", { class: "note" }, t("loras.none")));
  const add = () => {
    change({ loras: [...form.loras, { name: catalog.loras[0]?.name ?? "", weight: 1 }] });
    /** @type {any} */ (list.querySelector(".entry:last-of-type select"))?.focus();
  };
  return fill(
    list,
    form.loras.map((_, i) => lora(i)),
    catalog.loras.length ? iconButton("plus", t("loras.add"), add, { shown: true }) : null,
  );
}

/** @param {number} i */
function lora(i) {
  const { name, weight } = form.loras[i];
  const put = (/** @type {any} */ patch) =>
    change(
      { loras: form.loras.map((each, j) => (i === j ? { ...each, ...patch } : each)) },
      "adapters",
    );
  const remove = () => {
    change({ loras: form.loras.filter((_, j) => i !== j) });
    byId("loras").querySelector(":scope > button")?.focus();
  };
  return h(
    "div",
    { class: "entry" },
    h(
      "div",
      { class: "line" },
      select(t("loras.which"), names(catalog.loras, name), name, (value) => put({ name: value })),
      iconButton("close", t("loras.remove"), remove),
    ),
    slider(`lora-${i}`, t("weight"), weight, -2, 2, 0.05, (value) => put({ weight: value })),
  );
}

function controls() {
  const list = byId("controls");
  const add = () => {
    const model = catalog.controlnets[0]?.name ?? "";
    const fresh = { image: null, model, kind: "canny", scale: 1, start: 0, end: 1 };
    change({ controls: [...form.controls, fresh] });
    /** @type {any} */ (list.querySelector(".entry:last-of-type button"))?.focus();
  };
  if (!catalog.controlnets.length && !form.controls.length) {
    return fill(list, h("p", { class: "note" }, t("controls.none")));
  }
  return fill(
    list,
    form.controls.map((_, i) => control(i)),
    iconButton("plus", t("controls.add"), add, { shown: true }),
  );
}

/** @param {number} i */
function control(i) {
  const now = form.controls[i];
  const put = (/** @type {any} */ patch, /** @type {any} */ source = "adapters") =>
    change(
      { controls: form.controls.map((each, j) => (i === j ? { ...each, ...patch } : each)) },
      source,
    );
  const remove = () => {
    change({ controls: form.controls.filter((_, j) => i !== j) });
    byId("controls").querySelector(":scope > button")?.focus();
  };
  const pick = () => choosePicture(async (picture) => put({ image: await hand(picture) }, null));
  const thumb = now.image?.thumbnail;
  const kinds = KINDS.map((name) => ({ name, title: t(`kind.${name}`) }));
  return h(
    "div",
    { class: "entry" },
    h(
      "div",
      { class: "line" },
      thumb
        ? h("img", { class: "thumb", src: thumb, alt: t("controls.picture"), width: 48 })
        : null,
      iconButton("picture", t(now.image ? "controls.other" : "controls.choose"), pick, {
        shown: true,
        class: "grow",
        data: now.image ? {} : { missing: "" },
      }),
      iconButton("close", t("controls.remove"), remove),
    ),
    select(t("controls.model"), names(catalog.controlnets, now.model), now.model, (model) =>
      put({ model }),
    ),
    select(t("controls.kind"), kinds, now.kind, (kind) => put({ kind })),
    slider(`control-${i}`, t("weight"), now.scale, 0, 2, 0.05, (scale) => put({ scale })),
    slider(`control-${i}-start`, t("controls.start"), now.start, 0, 1, 0.05, (start) =>
      put({ start }),
    ),
    slider(`control-${i}-end`, t("controls.end"), now.end, 0, 1, 0.05, (end) => put({ end })),
  );
}

/** A picture that was dropped becomes what steers. @param {Blob} file */
async function steer(file) {
  if (!catalog.controlnets.length) return void refuse(t("controls.none"));
  try {
    const image = await hand(file);
    const model = catalog.controlnets[0].name;
    const fresh = { image, model, kind: "canny", scale: 1, start: 0, end: 1 };
    change({ controls: [...form.controls, fresh] });
    byId("side").open = byId("more").open = true;
    byId("controls").scrollIntoView({ block: "nearest" });
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

/** The entries, and one that is named and not there. @param {any[]} all @param {string} name */
function names(all, name) {
  const told = all.map((each) => ({ name: each.name, title: titled(each.name) }));
  return all.some((each) => each.name === name) || !name ? told : [...told, { name }];
}

/** What comes with kakusan has no name of its own. @param {string} name */
const titled = (name) => (name === "builtin" ? t("controls.builtin") : name);

/** @param {string} label @param {any[]} all @param {string} value @param {(value: string) => void} chosen */
function select(label, all, value, chosen) {
  const made = h(
    "select",
    { "aria-label": label, on: { change: () => chosen(made.value) } },
    all.map(({ name, title }) => h("option", { value: name }, title ?? name)),
  );
  made.value = value;
  return made;
}
