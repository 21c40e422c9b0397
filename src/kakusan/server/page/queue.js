/** What waits and what failed: order, cancelling, clearing. */

import * as api from "./api.js";
import { announce, byId, fill, h, icon, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { formOf, useAll } from "./request.js";
import { emit, forget, jobs, learn, on } from "./store.js";
import { explained, hasModel, refuse } from "./submit.js";

/** @type {string | null} */
let dragged = null;
/** What the list shows; steps alone make no new rows, as somebody may be pressing a button. */
let shown = "";

export function begin() {
  for (const name of ["job", "gone"]) on(name, draw);
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
  byId("queue-part").hidden = !queued.length && !failed.length && running.length < 2;
  byId("queue-name").textContent = t("queue.count", { n: queued.length });
  byId("queue-clear").hidden = !queued.length;
  const now = [...running, ...queued, ...failed].map(({ id, state }) => id + state).join();
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

/** @param {import("./store.js").Job[]} running */
function steps(running) {
  for (const job of running) {
    const note = byId("queue").querySelector(`[data-id="${job.id}"] .note`);
    if (note) note.textContent = progress(job);
  }
}

/** @param {import("./store.js").Job} job */
function progress({ step, steps }) {
  return steps ? t("step", { n: step, steps }) : t("state.running");
}

/** @param {import("./store.js").Job} job */
function canceller({ id }) {
  const data = { job: id, act: "cancel" };
  return iconButton("close", t("queue.cancel"), () => void cancel(id), { data });
}

/** @param {import("./store.js").Job} job @param {string} note @param {any[]} acts */
function item(job, note, acts) {
  const movable = job.state === "queued";
  const text = formOf(job.request).prompt || t("queue.untitled");
  return h(
    "li",
    {
      class: job.state,
      draggable: movable ? "true" : null,
      data: { id: job.id },
      on: movable ? dragging(job) : {},
    },
    movable ? h("span", { class: "grip", title: t("queue.drag") }, icon("grip")) : h("span"),
    h("div", { class: "what" }, h("p", {}, text), h("p", { class: "note" }, note)),
    h("div", { class: "buttons" }, acts),
  );
}

/** @param {import("./store.js").Job} job @param {number} i @param {import("./store.js").Job[]} all */
function buttons(job, i, all) {
  /** @param {string} act */
  const data = (act) => ({ data: { job: job.id, act } });
  const up = () => move(job.id, { before: all[i - 1].id }, i);
  const down = () => move(job.id, all[i + 2] ? { before: all[i + 2].id } : { to: "last" }, i + 2);
  const made = [
    iconButton("top", t("queue.top"), () => move(job.id, { to: "first" }, 1), data("top")),
    iconButton("up", t("queue.up"), up, data("up")),
    iconButton("down", t("queue.down"), down, data("down")),
    canceller(job),
  ];
  made[0].disabled = made[1].disabled = i === 0;
  made[2].disabled = i === all.length - 1;
  return made;
}

/** @param {import("./store.js").Job} job */
function repairs(job) {
  const use = () => {
    useAll(job.request, hasModel);
    byId("prompt").focus();
  };
  return [
    iconButton("again", t("use.all"), use, { data: { job: job.id, act: "use" } }),
    iconButton("close", t("dismiss"), () => void dismiss(job.id), {
      data: { job: job.id, act: "dismiss" },
    }),
  ];
}

/** @param {string} id @param {any} where @param {number} place */
async function move(id, where, place) {
  try {
    learn(await api.move(id, where));
    announce(t("queue.place", { n: place }));
    emit("back");
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

/** @param {string} id */
async function cancel(id) {
  try {
    learn(await api.stop(id));
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

/** @param {string} id */
async function dismiss(id) {
  try {
    await api.remove(id);
    forget(id);
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

async function clear() {
  for (const job of waiting().reverse()) await cancel(job.id);
  byId("prompt").focus();
}

/** @param {import("./store.js").Job} job */
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
