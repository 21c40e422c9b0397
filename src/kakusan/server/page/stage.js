/** The picture: what is being drawn, or was last, and what can be done with it. */

import * as api from "./api.js";
import { announce, byId, fill, h, icon, iconButton } from "./dom.js";
import { finished, sized } from "./finished.js";
import { duration, t } from "./i18n.js";
import { isFinal, jobs } from "./jobs.js";
import { change, emit, keep, on, recall } from "./store.js";
import { explained, refuse, send } from "./submit.js";

/** @type {string | null} the job that is looked at */
let current = recall("current", null);
let index = 0;
let drawn = "";

/** The job that is looked at, if there is one. */
export const lookedAt = () => (current ? (jobs.get(current) ?? null) : null);

export function begin() {
  on("look", ({ id }) => look(id));
  on("job", ({ job, before }) => changed(job, before));
  on("gone", ({ id }) => id === current && look(null));
  on("submitted", (job) => {
    const busy = current && jobs.get(current)?.state === "running";
    if (!busy) look(job.id);
  });
  on("language", () => draw(true));
  on("catalog", () => draw(true));
  draw(true);
}

/** @param {string | null} id */
function look(id) {
  current = id;
  index = 0;
  keep("current", id);
  draw(true);
  emit("looked");
}

/** @param {import("./jobs.js").Job} job @param {any} before */
function changed(job, before) {
  if (job.id !== current) return follows(job, before) ? look(job.id) : undefined;
  if (before && !isFinal(before) && isFinal(job)) announce(t(`said.${job.state}`));
  return draw(before?.state !== job.state || before?.pictures.length !== job.pictures.length);
}

/**
 * Whether another job is to be looked at: what begins where a picture is done, and what is drawn
 * already where there is none.
 * @param {import("./jobs.js").Job} job @param {any} before
 */
function follows(job, before) {
  const now = lookedAt();
  if (job.state !== "running") return false;
  if (!now || (now.state === "cancelled" && !now.pictures.length)) return true;
  return isFinal(now) && before?.state !== "running";
}

/** @param {boolean} anew whether more than the steps have changed */
function draw(anew) {
  const stage = byId("stage");
  const job = current ? jobs.get(current) : null;
  const part = job ? job.state : "first";
  if (!anew && part === drawn && job?.state === "running") return step(/** @type {any} */ (job));
  drawn = part;
  if (!job) return fill(stage, first());
  if (isFinal(job) && job.pictures.length) return fill(stage, finished(job, index, turn));
  if (job.state === "done")
    return fill(stage, h("div", { class: "frame" }, h("p", {}, t("said.nothing"))));
  if (job.state === "failed") return fill(stage, failed(job));
  if (job.state === "cancelled")
    return fill(stage, h("div", { class: "frame" }, h("p", {}, t("said.cancelled"))));
  fill(stage, waiting(job));
  return step(job);
}

/** Another picture of the same job. @param {number} i */
function turn(i) {
  index = i;
  draw(true);
  /** @type {any} */ (byId("stage").querySelectorAll(".strip button")[i])?.focus();
}

function first() {
  const examples = [1, 2, 3, 4].map((n) => {
    const text = t(`example.${n}`);
    const use = () => {
      change({ prompt: text });
      void send();
    };
    return h("li", {}, h("button", { type: "button", class: "soft", on: { click: use } }, text));
  });
  return h(
    "div",
    { class: "frame" },
    h(
      "div",
      { class: "first" },
      h("p", { class: "headline" }, t("first.headline")),
      h("p", {}, t("first.text")),
      h("ul", {}, examples),
    ),
  );
}

/** @param {import("./jobs.js").Job} job */
function waiting(job) {
  const buttons = h("div", { class: "buttons" });
  if (job.state === "running") {
    const end = () => void api.stop(job.id, "interrupt").catch(() => {});
    buttons.append(iconButton("stop", t("interrupt"), end, { shown: true }));
  }
  const cancel = () => void api.stop(job.id).catch(() => {});
  buttons.append(iconButton("close", t("cancel"), cancel, { shown: true }));
  return [
    h("div", { class: "frame", id: "preview" }, h("div", { class: "waiting" })),
    h(
      "div",
      { class: "progress" },
      h("p", { id: "progress-text" }),
      buttons,
      h("progress", { id: "progress", max: 1, "aria-label": t("progress") }),
    ),
    h("p", { class: "note" }, job.request.prompt ?? ""),
  ];
}

/** @param {import("./jobs.js").Job} job */
function step(job) {
  const bar = byId("progress");
  const text = byId("progress-text");
  if (job.state === "queued") {
    const before = [...jobs.values()].filter(
      (each) => each.state === "queued" && each.position < job.position,
    );
    bar.removeAttribute("value");
    text.textContent = before.length ? t("said.waiting", { n: before.length }) : t("said.queued");
    return;
  }
  const { step: done, steps, eta } = job;
  if (steps) bar.value = done / steps;
  const said = eta === null ? "step" : "step.left";
  const time = duration(eta ?? 0);
  text.textContent = steps ? t(said, { n: done, steps, time }) : t("said.running");
  if (!job.preview) return;
  const frame = byId("preview");
  const { width, height } = job.request;
  let img = frame.querySelector("img");
  if (!img) fill(frame, (img = sized(h("img", { alt: t("preview") }), width, height)));
  img.src = job.preview;
}

/** @param {import("./jobs.js").Job} job */
function failed(job) {
  const again = () =>
    void api.again(job.id).then(
      (request) => send({ request }),
      (error) => refuse(explained(error)),
    );
  const words = h("p", { class: "problem" }, icon("close"), " ", job.error ?? t("said.failed"));
  return [
    h(
      "div",
      { class: "frame" },
      h("div", { class: "first" }, h("p", { class: "headline" }, t("said.failed")), words),
    ),
    h(
      "div",
      { class: "caption" },
      h("p", {}, job.request.prompt ?? ""),
      iconButton("again", t("again"), again, { shown: true }),
    ),
  ];
}
