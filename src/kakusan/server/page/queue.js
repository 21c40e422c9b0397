/** What waits and what failed: order, cancelling, clearing. */

import * as api from "./api.js";
import { announce, byId, fill, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { forget, jobs, learn } from "./jobs.js";
import { formOf } from "./request.js";
import { useAllOf } from "./restore.js";
import { lookedAt } from "./stage.js";
import { emit, on } from "./store.js";
import { explained, refuse } from "./submit.js";

/** @type {string | null} */
let dragged = null;
/** What the list shows; steps alone make no new rows, as somebody may be pressing a button. */
let shown = "";

export function begin() {
  for (const name of ["job", "gone", "looked"]) on(name, draw);
  on("language", () => {
    shown = "";
    draw();
  });
  byId("queue-clear").addEventListener("click", clear);
}

/** @param {string} state */
const those = (state) => [...jobs.values()].filter((each) => each.state === state);

/** The waiting ones as they will be drawn. */
function waiting() {
  return those("queued").sort(
    (a, b) =>
      (b.priority ?? 0) - (a.priority ?? 0) || a.position - b.position || (a.id < b.id ? -1 : 1),
  );
}

function draw() {
  if (dragged) return;
  const list = byId("queue");
  const [running, queued, failed] = [those("running"), waiting(), those("failed")];
  const seen = lookedAt()?.id;
  const alone = running.every(({ id }) => id === seen);
  byId("queue-part").hidden = !queued.length && !failed.length && alone;
  byId("queue-name").textContent = counted({ running, queued, failed });
  byId("queue-clear").hidden = !queued.length;
  const now = [...running, ...queued, ...failed].map(({ id, state }) => id + state).join() + seen;
  if (now === shown) return steps(running);
  shown = now;
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const back = list.contains(focused) ? { ...focused?.dataset } : null;
  fill(
    list,
    running.map((job) => item(job, progress(job), [canceller(job)])),
    queued.map((job, i) => item(job, t("queue.place", { n: i + 1 }), buttons(job, i, queued))),
    failed.map((job) => item(job, job.error ?? t("said.failed"), repairs(job))),
  );
  if (back?.job) {
    const same = list.querySelector(`[data-job="${back.job}"][data-act="${back.act}"]`);
    const near = same ?? list.querySelector("button");
    /** @type {HTMLElement | null} */ (near)?.focus();
  }
}

/** How many there are of each. @param {Record<string, import("./jobs.js").Job[]>} all */
function counted(all) {
  const some = Object.entries(all).filter(([, each]) => each.length);
  return some.map(([state, each]) => t(`queue.${state}`, { n: each.length })).join(t("queue.and"));
}

/** @param {import("./jobs.js").Job[]} running */
function steps(running) {
  for (const job of running) {
    const note = byId("queue").querySelector(`[data-id="${job.id}"] .note`);
    if (note) note.textContent = progress(job);
  }
}

/** @param {import("./jobs.js").Job} job */
function progress({ step, steps }) {
  return steps ? t("step", { n: step, steps }) : t("said.running");
}

/** @param {import("./jobs.js").Job} job */
const titled = (job) => formOf(job.request).prompt || t("queue.untitled");

/**
 * A button of a row, which is told by its row's prompt, too.
 * @param {import("./jobs.js").Job} job @param {string} act @param {any} sign
 * @param {string} name @param {() => void} work
 */
function button(job, act, sign, name, work) {
  const made = iconButton(sign, name, work, { data: { job: job.id, act } });
  made.setAttribute("aria-label", t("queue.act", { act: name, what: titled(job) }));
  return made;
}

/** @param {import("./jobs.js").Job} job */
function canceller(job) {
  return button(job, "cancel", "close", t("queue.cancel"), () => void cancel(job.id));
}

/** What is drawn can be looked at. @param {import("./jobs.js").Job} job */
function what(job) {
  const text = titled(job);
  if (job.state !== "running" || job.id === lookedAt()?.id) return h("p", {}, text);
  const look = () => {
    emit("look", { id: job.id });
    byId("stage").scrollIntoView({ block: "nearest" });
  };
  const data = { job: job.id, act: "look" };
  const props = { type: "button", class: "plain", title: t("queue.look"), data };
  return h("p", {}, h("button", { ...props, on: { click: look } }, text));
}

/** @param {import("./jobs.js").Job} job @param {string} note @param {any[]} acts */
function item(job, note, acts) {
  const movable = job.state === "queued";
  return h(
    "li",
    {
      class: job.state,
      draggable: movable ? "true" : null,
      data: { id: job.id },
      on: movable ? dragging(job) : {},
    },
    movable ? h("span", { class: "grip", title: t("queue.drag") }, icon("grip")) : h("span"),
    h("div", { class: "what" }, what(job), h("p", { class: "note" }, note)),
    h("div", { class: "buttons" }, acts),
  );
}

/** @param {import("./jobs.js").Job} job @param {number} i @param {import("./jobs.js").Job[]} all */
function buttons(job, i, all) {
  const top = () => void move(job.id, { to: "first" }, 1);
  const up = () => move(job.id, { before: all[i - 1].id }, i);
  const down = () => move(job.id, all[i + 2] ? { before: all[i + 2].id } : { to: "last" }, i + 2);
  const made = [
    button(job, "top", "top", t("queue.top"), top),
    button(job, "up", "up", t("queue.up"), up),
    button(job, "down", "down", t("queue.down"), down),
    canceller(job),
  ];
  made[0].disabled = made[1].disabled = i === 0;
  made[2].disabled = i === all.length - 1;
  return made;
}

/** @param {import("./jobs.js").Job} job */
function repairs(job) {
  const use = () => {
    void useAllOf(job, job.request);
    byId("prompt").focus();
  };
  return [
    button(job, "use", "again", t("use.all"), use),
    button(job, "dismiss", "close", t("dismiss"), () => void dismiss(job.id)),
  ];
}

/** @param {string} id @param {any} where @param {number} place */
async function move(id, where, place) {
  try {
    learn(await api.move(id, where));
    announce(t("queue.place", { n: place }));
    emit("back");
  } catch (error) {
    late(/** @type {any} */ (error));
  }
}

/** @param {string} id */
async function cancel(id) {
  try {
    learn(await api.stop(id));
  } catch (error) {
    late(/** @type {any} */ (error));
  }
}

/** What began or ended meanwhile is shown as it is now. @param {api.ApiError} error */
function late(error) {
  if (error.status === 409 || error.status === 404) emit("back");
  else refuse(explained(error));
}

/** @param {string} id */
async function dismiss(id) {
  try {
    await api.remove(id);
    forget(id);
  } catch (error) {
    const { status } = /** @type {api.ApiError} */ (error);
    if (status === 404) forget(id);
    else refuse(explained(/** @type {any} */ (error)));
  }
}

async function clear() {
  for (const { id } of waiting().reverse()) {
    if (jobs.get(id)?.state === "queued") await cancel(id); // one may have begun meanwhile
  }
  byId("prompt").focus();
}

/** @param {import("./jobs.js").Job} job */
function dragging(job) {
  /** @param {DragEvent} event */
  const row = (event) => /** @type {HTMLElement} */ (event.currentTarget);
  return {
    dragstart: (/** @type {DragEvent} */ event) => {
      dragged = job.id;
      event.dataTransfer?.setData("text/x-kakusan-job", job.id);
      row(event).classList.add("dragged");
    },
    dragend: () => {
      dragged = null;
      draw();
    },
    dragover: (/** @type {DragEvent} */ event) => {
      if (!dragged || dragged === job.id) return;
      event.preventDefault();
      row(event).classList.add("over");
    },
    dragleave: (/** @type {DragEvent} */ event) => row(event).classList.remove("over"),
    drop: (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      if (dragged && dragged !== job.id) dropped(dragged, job.id);
    },
  };
}

/** Puts one before another, or behind it where it came from above. @param {string} id @param {string} onto */
function dropped(id, onto) {
  const order = waiting().map((each) => each.id);
  const [from, to] = [order.indexOf(id), order.indexOf(onto)];
  const before = from < to ? order[to + 1] : onto;
  void move(id, before ? { before } : { to: "last" }, to + 1);
}
