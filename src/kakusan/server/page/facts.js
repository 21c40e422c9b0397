/** What a picture's record tells of how it was drawn, as a list of names and values. */

import { h } from "./dom.js";
import { number, t, when } from "./i18n.js";
import { schedulerName } from "./request.js";

/** What records note, where the page has words of its own for it. @type {[RegExp, string][]} */
const NOTES = [
  [/^computed beside other pictures/, "note.beside"],
  [/^stopped before its last step/, "note.early"],
];

/** @param {import("./jobs.js").Job} job @param {import("./jobs.js").Picture} picture */
export function facts(job, picture) {
  const { record } = picture;
  /** @type {[string, any][]} */
  const rows = [
    ["prompt", record.prompt],
    ["negative", record.negative_prompt],
    ["size", `${picture.width} × ${picture.height}`],
    ["steps", record.num_inference_steps],
    ["guidance", record.guidance_scale === undefined ? null : number(record.guidance_scale)],
    ["seed", record.seed],
    ["scheduler", schedulerName(record.scheduler)],
    ["model", record.model === "builtin" ? t("model.builtin") : record.model],
    ["info.start", record.image && sides(record.image)],
    ["start.strength", record.image ? number(record.strength ?? 1) : null],
    ["info.mask", record.mask && masked(record)],
    ["controls", (record.controls ?? []).map(control).join("\n")],
    ["variation", record.variation_strength],
    ["loras", (record.loras ?? []).map(lora).join("\n")],
    ["clip_skip", record.clip_skip],
    ["drawn", when(job.finished ?? job.created)],
    ["notes", (record.notes ?? []).map(noted).join("\n")],
  ];
  const told = rows.filter(([, value]) => ![null, undefined, ""].includes(value));
  return h(
    "dl",
    { class: "facts" },
    told.map(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, String(value))]),
  );
}

/** @param {any} image one, or a list of them */
function sides(image) {
  const { width, height } = Array.isArray(image) ? image[0] : image;
  return `${width} × ${height}`;
}

/** @param {Record<string, any>} record */
function masked({ mask_blur: blur, only_masked: only }) {
  const soft = t("info.blur", { n: number(blur ?? 0) });
  return only === undefined || only === null ? soft : `${soft}\n${t("mask.only")}`;
}

/** @param {any} told */
function control({ model, kind, scale, start, end }) {
  const name = model === "builtin" ? t("controls.builtin") : model;
  const made = kind && kind !== "none" && !name.includes(kind) ? `, ${t(`kind.${kind}`)}` : "";
  const part = start > 0 || end < 1 ? `, ${number(start)}–${number(end)}` : "";
  return `${name}${made}, ${number(scale ?? 1)}${part}`;
}

/** @param {any} told */
function lora({ name, unet_weight: weight }) {
  return `${name}, ${number(weight ?? 1)}`;
}

/** @param {string} note */
function noted(note) {
  const known = NOTES.find(([begins]) => begins.test(note));
  return known ? t(known[1]) : note;
}
