/** One picture, large: its settings, its neighbours, and a slider between it and another. */

import * as api from "./api.js";
import { compared } from "./compare.js";
import { announce, dialog, fill, h, iconButton } from "./dom.js";
import { facts } from "./facts.js";
import { t } from "./i18n.js";
import { forget } from "./jobs.js";
import { usePrompt, useSeed, useSize } from "./request.js";
import { useAllOf } from "./restore.js";
import { emit, keep, recall } from "./store.js";
import { explained, refuse } from "./submit.js";

/** @typedef {{job: import("./jobs.js").Job, picture: import("./jobs.js").Picture}} Entry */

/** @type {Entry[]} */
let entries = [];
let at = 0;
let comparing = false;
/** @type {Entry | null} what is to be compared with, where it was chosen */
let against = null;
/** @type {any} */
let open = null;
let told = recall("info", false);

/** @param {Entry} entry @param {any} [how] */
const address = ({ job, picture }, how) => api.pictureAt(job.id, picture.index, how);

/** @param {Entry} entry */
export function save({ job, picture }) {
  const link = h("a", {
    href: address({ job, picture }),
    download: `kakusan-${picture.record.seed ?? job.id}.png`,
  });
  document.body.append(link);
  link.click();
  link.remove();
}

/**
 * @param {Entry[]} several @param {number} first
 * @param {Entry | null} [other] what the first is compared with at once
 */
export function show(several, first, other = null) {
  if (open) open.close();
  [entries, at, comparing, against] = [several, Math.max(0, first), other !== null, other];
  const inside = h(
    "div",
    { class: "inside" },
    h("div", { class: "view" }),
    h("div", { class: "info", role: "region", tabindex: 0, "aria-label": t("info") }),
    h("p", { class: "problem", role: "alert", hidden: true }),
  );
  const shown = dialog(t("viewer"), { class: "viewer", close: t("close") }, inside, h("footer"));
  open = shown;
  shown.addEventListener("close", () => (open === shown ? (open = null) : null));
  shown.addEventListener("keydown", pressed);
  draw();
}

function draw() {
  const { job, picture } = entries[at];
  const [view, info] = open.querySelectorAll(".view, .info");
  const focused =
    view.contains(document.activeElement) ||
    open.querySelector("footer").contains(document.activeElement);
  const act = focused ? /** @type {any} */ (document.activeElement).dataset.act : null;
  open.querySelector("h2").textContent =
    entries.length > 1 ? t("picture.of", { n: at + 1, all: entries.length }) : t("viewer");
  const alt = String(picture.record.prompt || t("picture"));
  const size = { width: picture.width, height: picture.height };
  const image = h("img", { src: address(entries[at]), alt, ...size });
  grown(image, picture);
  fill(
    view,
    comparing ? beside(image) : image,
    turn("previous", "left", -1),
    turn("next", "right", 1),
  );
  info.hidden = !told;
  fill(info, told ? facts(job, picture) : null);
  fill(open.querySelector("footer"), acts(job, picture));
  if (act) open.querySelector(`[data-act="${act}"]`)?.focus();
}

/** A small picture is shown at up to four times its size. @param {any} image @param {any} picture */
function grown(image, { width, height }) {
  const most = Math.max(1, Math.min(4, 1024 / Math.max(width, height)));
  image.style.width = `min(100%, ${width * most}px, calc((100dvh - 14rem) * ${width / height}))`;
  image.style.height = "auto";
}

/** @param {string} key @param {any} picture @param {number} by */
function turn(key, picture, by) {
  if (!entries[at + by]) return null;
  return iconButton(picture, t(`viewer.${key}`), () => go(by), {
    class: `turn ${key}`,
    data: { act: key },
  });
}

/** @param {number} by */
function go(by) {
  if (!entries[at + by]) return;
  at += by;
  draw();
  announce(t("picture.of", { n: at + 1, all: entries.length }));
}

/** What it is compared with: the picture it began at, else its neighbour. */
function other() {
  const { job, picture } = entries[at];
  if (against && (against.job.id !== job.id || against.picture.index !== picture.index))
    return { src: address(against), name: apart(against) };
  if (job.request.image && job.inputs[0])
    return { src: api.inputAt(job.inputs[0]), name: t("info.start") };
  const near = entries[at + 1] ?? entries[at - 1];
  return near ? { src: address(near), name: apart(near) } : null;
}

/** What tells two pictures apart: their prompts, else their seeds. @param {Entry} entry */
function apart({ picture: { record } }) {
  const own = entries[at].picture.record;
  if (record.prompt && record.prompt !== own.prompt) return record.prompt;
  return record.seed === null ? t("viewer.neighbour") : `${t("seed")} ${record.seed}`;
}

/** @param {HTMLImageElement} image */
function beside(image) {
  const below = other();
  if (!below) return image;
  const { record } = entries[at].picture;
  const seed = below.name.startsWith(t("seed")) && record.seed !== null;
  return compared(image, below, seed ? `${t("seed")} ${record.seed}` : record.prompt || t("picture"));
}

/** @param {import("./jobs.js").Job} job @param {import("./jobs.js").Picture} picture */
function acts(job, picture) {
  const { record } = picture;
  /** @param {any} sign @param {string} key @param {string} letter @param {() => void} work */
  const act = (sign, key, letter, work) =>
    iconButton(sign, t(key), work, { shown: true, key: letter, data: { act: letter || key } });
  const made = [
    act("again", "use.all", "a", () => used(() => void useAllOf(job, record, picture.index))),
    act("dice", "use.seed", "s", () => used(() => useSeed(record))),
    act("brush", "use.prompt", "p", () => used(() => usePrompt(record))),
    act("swap", "use.size", "d", () => used(() => useSize(record))),
    act("info", "info", "i", information),
    act("compare", "compare", "c", compare),
    act("picture", "use.start", "", () => {
      emit("use-start", { job, picture });
      open.close();
    }),
    act("save", "save", "", () => save({ job, picture })),
    act("bin", "delete", "", () => void remove(job)),
  ];
  made[1].disabled = record.seed === null;
  made[4].setAttribute("aria-pressed", String(told));
  made[5].setAttribute("aria-pressed", String(comparing));
  made[5].disabled = !other();
  return made;
}

/** @param {() => void} work */
function used(work) {
  work();
  announce(t("used"));
  // after the dialog has given the focus back
  open.addEventListener("close", () => document.getElementById("prompt")?.focus());
  open.close();
}

function information() {
  told = !told;
  keep("info", told);
  draw();
}

function compare() {
  comparing = !comparing && other() !== null;
  draw();
  if (comparing) open.querySelector("input[type=range]")?.focus();
}

/** @param {import("./jobs.js").Job} job */
async function remove(job) {
  const n = job.pictures.length;
  if (!confirm(t(n > 1 ? "history.together" : "history.sure", { n }))) return undefined;
  try {
    await api.remove(job.id);
  } catch (error) {
    const { status } = /** @type {api.ApiError} */ (error);
    const text = explained(/** @type {api.ApiError} */ (error));
    if (status !== 404) return open ? said(text) : refuse(text);
  }
  forget(job.id);
  const seen = entries[at];
  entries = entries.filter((each) => each.job.id !== job.id);
  if (!open) return undefined; // it was closed meanwhile
  if (!entries.length) return open.close();
  const still = entries.indexOf(seen);
  at = still >= 0 ? still : Math.min(at, entries.length - 1);
  return draw();
}

/** @param {string} text */
function said(text) {
  const line = open.querySelector(".problem");
  line.textContent = text;
  line.hidden = false;
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const inSlider = /** @type {HTMLElement} */ (event.target).matches("input");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!inSlider && event.key === "ArrowLeft") go(-1);
  else if (!inSlider && event.key === "ArrowRight") go(1);
  else if (/^[aspdic]$/i.test(event.key) && recall("letters", true)) {
    const button = open.querySelector(`[data-act="${event.key.toLowerCase()}"]`);
    if (button && !button.disabled) button.click();
  } else return;
  event.preventDefault();
}
