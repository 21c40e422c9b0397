/** Pictures that are done, and what can be done with them. */

import * as api from "./api.js";
import { h, iconButton } from "./dom.js";
import { pictures } from "./history.js";
import { number, t } from "./i18n.js";
import { randomSeed } from "./request.js";
import { askedFor } from "./restore.js";
import { emit } from "./store.js";
import { explained, refuse, send } from "./submit.js";
import { save, show as view } from "./viewer.js";

const MOST = 3; // times its own size, of a small picture

/**
 * Sets how large a picture is shown, before it has come.
 * @param {any} img @param {number} width @param {number} height
 */
export function sized(img, width = 512, height = 512) {
  img.width = width;
  img.height = height;
  const most = width * Math.min(MOST, Math.max(1, 1024 / Math.max(width, height)));
  img.style.width = `min(100%, ${most}px, calc(65vh * ${width / height}))`;
  img.style.height = "auto";
  return img;
}

/**
 * A job's pictures, one of them large.
 * @param {import("./jobs.js").Job} job
 * @param {number} index which
 * @param {(index: number) => void} turn
 */
export function finished(job, index, turn) {
  const picture = job.pictures[index] ?? job.pictures[0];
  const alt = String(picture.record.prompt ?? "");
  const img = sized(
    h("img", { src: api.pictureAt(job.id, picture.index), alt }),
    picture.width,
    picture.height,
  );
  const open = () => large(job, picture);
  return [
    h(
      "div",
      { class: "frame" },
      h(
        "button",
        {
          type: "button",
          class: "open",
          "aria-label": t("view", { what: alt }),
          on: { click: open },
        },
        img,
      ),
    ),
    job.pictures.length > 1 ? strip(job, index, turn) : null,
    caption(job, picture),
  ];
}

/**
 * @param {import("./jobs.js").Job} job @param {number} index
 * @param {(index: number) => void} turn
 */
function strip(job, index, turn) {
  const buttons = job.pictures.map((picture, i) =>
    h(
      "button",
      {
        type: "button",
        "aria-label": t("picture.of", { n: i + 1, all: job.pictures.length }),
        "aria-pressed": String(i === index),
        on: { click: () => turn(i) },
      },
      h("img", {
        src: api.pictureAt(job.id, picture.index, { size: 128, format: "webp" }),
        alt: "",
        loading: "lazy",
      }),
    ),
  );
  return h("div", { class: "strip", role: "group", "aria-label": t("pictures") }, buttons);
}

/** Among all pictures of the history, where it is there. @param {any} job @param {any} picture */
function large(job, picture) {
  const all = pictures();
  const at = all.findIndex(
    (each) => each.job.id === job.id && each.picture.index === picture.index,
  );
  if (at >= 0) view(all, at);
  else view([{ job, picture }], 0);
}

/** @param {import("./jobs.js").Job} job @param {import("./jobs.js").Picture} picture */
function caption(job, picture) {
  const { record } = picture;
  const early = record.seed === null; // it was stopped, and no seed makes it again
  const told = t(early ? "caption.early" : "caption", {
    seed: record.seed ?? "?",
    steps: record.num_inference_steps ?? "?",
    guidance: number(record.guidance_scale ?? 0),
    width: picture.width,
    height: picture.height,
  });
  const relatives = iconButton("vary", t("vary"), () => void vary(job, picture), { shown: true });
  relatives.disabled = early;
  return h(
    "div",
    { class: "caption" },
    h("p", {}, told),
    relatives,
    iconButton("picture", t("use.start"), () => emit("use-start", { job, picture }), {
      shown: true,
    }),
    iconButton("save", t("save"), () => save({ job, picture }), { shown: true }),
    iconButton("enlarge", t("view.open"), () => large(job, picture)),
  );
}

/**
 * Four near relatives of a picture, drawn from the same pictures as it.
 * @param {import("./jobs.js").Job} job @param {import("./jobs.js").Picture} picture
 */
async function vary(job, picture) {
  try {
    const asked = await askedFor(job, picture.record, picture.index);
    const more = { variation_strength: 0.25, variation_seed: randomSeed() };
    await send({ request: { ...asked, ...more, num_images_per_prompt: 4 } });
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}
