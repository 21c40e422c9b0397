/** Pictures that come in: dropped, pasted or chosen. What they tell is read, of any tool's. */

import * as api from "./api.js";
import { byId, dialog, h } from "./dom.js";
import { number, t } from "./i18n.js";
import { formOf, schedulerName, useAll, usePrompt, useSeed, useSize } from "./request.js";
import { emit } from "./store.js";
import { clear, explained, hasModel, refuse } from "./submit.js";
import { KINDS } from "./thumbs.js";

/** @type {((picture: Blob) => void) | null} what the next chosen picture is for */
let purpose = null;

export function begin() {
  const drop = byId("drop");
  let deep = 0;
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (carries(event) && ++deep) drop.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (carries(event) && --deep <= 0) drop.hidden = true;
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    deep = 0;
    drop.hidden = true;
    if (!carries(event)) return;
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) void come(file);
  });
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => KINDS.includes(each.type));
    if (!file) return;
    event.preventDefault();
    void come(file);
  });
  byId("file").addEventListener("change", () => {
    const [file] = byId("file").files;
    byId("file").value = "";
    if (file && checked(file)) purpose?.(file);
  });
}

/** @param {File} file */
function checked(file) {
  if (KINDS.includes(file.type)) return true;
  refuse(t("problem.kind", { name: file.name }));
  return false;
}

/** Asks for a picture from the disk. @param {(picture: Blob) => Promise<void>} work */
export function choosePicture(work) {
  purpose = (picture) =>
    void work(picture).catch((error) => refuse(explained(/** @type {any} */ (error))));
  byId("file").click();
}

/** A picture of the history, as it was stored. @param {any} job @param {any} picture */
export async function pictureOf(job, picture) {
  const answer = await fetch(api.pictureAt(job.id, picture.index));
  if (!answer.ok) throw new api.ApiError(answer.status, null);
  return answer.blob();
}

/** Shows what a picture tells and what it can be used for. @param {File} file */
async function come(file) {
  if (!checked(file) || document.querySelector("dialog[open]")) return;
  clear();
  const name = file.name || t("picture");
  const shown = await createImageBitmap(file).catch(() => null);
  if (!shown) return void refuse(t("problem.broken", { name }));
  shown.close();
  let told = null;
  let problem = "";
  try {
    told = settingsOf(await api.read(file));
  } catch (error) {
    const { status, message } = /** @type {api.ApiError} */ (error);
    const silent = status === 422 && message.includes("tells nothing");
    problem = silent ? "" : explained(/** @type {any} */ (error));
  }
  if (!document.querySelector("dialog[open]")) ask(file, told, problem);
}

/** @param {any} answer */
function settingsOf(answer) {
  const settings = answer?.settings ?? answer?.request ?? null;
  if (!settings || settings.prompt === undefined) return null;
  return { tool: answer.tool ?? answer.program ?? "", settings, notes: answer.left ?? [] };
}

/** @param {File} file @param {any} told @param {string} problem */
function ask(file, told, problem) {
  const src = URL.createObjectURL(file);
  /** @param {string} key @param {() => any} work @param {string} [kind] */
  const act = (key, work, kind = "soft") =>
    h(
      "button",
      { type: "button", class: kind, on: { click: () => (shown.close(), work()) } },
      t(key),
    );
  const begin = act("use.start", () => emit("take-start", file), told ? "soft" : "main");
  const steer = act("use.control", () => emit("take-control", file));
  const record = told?.settings;
  const shown = dialog(
    t("intake"),
    { class: "small", close: t("close") },
    h(
      "div",
      { class: "inside" },
      h(
        "div",
        { class: "read-picture" },
        h("img", { src, alt: file.name || t("picture") }),
        words(told, problem),
      ),
      told
        ? h(
            "div",
            { class: "buttons" },
            act("use.all", () => useAll(record, hasModel), "main"),
            act("use.prompt", () => usePrompt(record)),
            act("use.seed", () => useSeed(record)),
            act("use.size", () => useSize(record)),
          )
        : null,
      h("div", { class: "buttons" }, begin, steer),
    ),
  );
  shown.addEventListener("close", () => URL.revokeObjectURL(src));
  /** @type {any} */ (shown.querySelector(".main"))?.focus();
}

/** @param {any} told @param {string} problem */
function words(told, problem) {
  if (problem) return h("p", { class: "problem" }, problem);
  if (!told) return h("p", {}, t("intake.nothing"));
  const found = formOf(told.settings);
  /** @type {[string, any][]} */
  const rows = [
    ["prompt", found.prompt],
    ["negative", found.negative],
    ["size", found.width && `${found.width} × ${found.height}`],
    ["steps", found.steps],
    ["guidance", found.guidance && number(found.guidance)],
    ["seed", found.seed],
    ["scheduler", schedulerName(found.scheduler)],
    ["clip_skip", found.clipSkip],
    ["variation", found.variation],
    ["loras", (found.loras ?? []).map((each) => each.name).join(t("and"))],
    ["extra", Object.keys(found.extra ?? {}).join(t("and"))],
    ["notes", told.notes.join("\n")],
  ];
  return h(
    "div",
    { class: "told" },
    h("p", { class: "note" }, told.tool ? t("intake.from", { tool: told.tool }) : t("intake.told")),
    h(
      "dl",
      { class: "facts" },
      rows
        .filter(([, value]) => value)
        .map(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, String(value))]),
    ),
  );
}
