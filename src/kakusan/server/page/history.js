/** All pictures that were drawn, the latest first: found by words, page by page. */

import * as api from "./api.js";
import { announce, byId, fill, h, iconButton, later } from "./dom.js";
import { t } from "./i18n.js";
import { forget, jobs, learn } from "./jobs.js";
import { on } from "./store.js";
import { explained, refuse } from "./submit.js";
import { save, show as view } from "./viewer.js";

const PAGE = 40;

/** @type {import("./jobs.js").Job[]} */
let shown = [];
let after = "";
let wanted = "";
/** @type {string | null} the words that what is on the shelf was found by; null before any answer */
let found = null;
/** @type {Set<string>} */
const picked = new Set();
let picking = false;
let asking = 0;
/** @type {Set<string>} the jobs whose pictures have come since the list was last asked for */
const come = new Set();

/** Every picture on the shelf, as `{job, picture}`, in its order. */
export function pictures() {
  return shown.flatMap((job) => job.pictures.map((picture) => ({ job, picture })));
}

export function begin() {
  const find = byId("find");
  find.addEventListener(
    "input",
    later(250, () => {
      wanted = find.value.trim();
      void load(true);
    }),
  );
  byId("shelf-more").addEventListener("click", () => void load(false));
  byId("choose").addEventListener("click", () => pick(!picking));
  byId("shelf").addEventListener("keydown", arrows);
  on("job", ({ job, before }) => {
    if (job.pictures.length !== (before?.pictures.length ?? 0)) add(job);
  });
  on("gone", ({ id }) => drop(id));
  on("language", draw);
  on("start", () => void load(true));
}

/** @param {boolean} anew */
async function load(anew) {
  const mine = ++asking;
  const first = anew || found !== wanted;
  come.clear();
  try {
    const answer = await api.list({ q: wanted, after: first ? "" : after, limit: PAGE });
    if (mine !== asking) return;
    for (const job of answer.jobs) if (!jobs.has(job.id)) learn(job);
    const kept = first ? come : shown.map((job) => job.id);
    // as they are known by now, which may be newer than the answer; the deleted ones are not
    const known = [...new Set([...kept, ...answer.jobs.map((job) => job.id)])].map((id) =>
      jobs.get(id),
    );
    shown = known.flatMap((job) => (job?.pictures.length ? [job] : [])).sort(latestFirst);
    found = wanted;
    after = answer.jobs.at(-1)?.id ?? after;
    byId("shelf-more").hidden = answer.jobs.length < PAGE;
    draw();
    if (wanted) announce(t("history.found", { n: pictures().length }));
  } catch {
    // the line at the top says that the server is away
  }
}

/** @param {string} id */
function drop(id) {
  shown = shown.filter((each) => each.id !== id);
  draw();
}

/** @param {import("./jobs.js").Job} job */
function add(job) {
  if (!job.pictures.length) return drop(job.id); // it was cancelled, and they are gone
  if (fits(job)) come.add(job.id);
  const at = shown.findIndex((each) => each.id === job.id);
  if (at >= 0) shown[at] = job;
  else if (fits(job)) shown = [job, ...shown].sort(latestFirst);
  else return undefined;
  return draw();
}

/** Whether a job is one of those that are looked for. @param {import("./jobs.js").Job} job */
function fits(job) {
  return !wanted || String(job.request.prompt).toLowerCase().includes(wanted.toLowerCase());
}

/** @param {import("./jobs.js").Job} a @param {import("./jobs.js").Job} b */
const latestFirst = (a, b) => (a.id < b.id ? 1 : -1);

function draw() {
  const shelf = byId("shelf");
  const focused = document.activeElement;
  const back = shelf.contains(focused) ? /** @type {any} */ (focused).dataset.key : null;
  const old = new Map([...shelf.children].map((each) => [each.dataset.key, each]));
  fill(
    shelf,
    pictures().map(({ job, picture }) => {
      const key = `${job.id}/${picture.index}`;
      const item = old.get(key) ?? tile(job, picture, key);
      name(item.firstElementChild, picture, key);
      return item;
    }),
  );
  if (back) /** @type {any} */ (shelf.querySelector(`button[data-key="${back}"]`))?.focus();
  const empty = byId("shelf-empty");
  empty.hidden = pictures().length > 0;
  empty.textContent = t(wanted ? "history.nothing" : "history.empty");
  byId("choose").hidden = !pictures().length;
  chosen();
}

/** @param {import("./jobs.js").Job} job @param {import("./jobs.js").Picture} picture @param {string} key */
function tile(job, picture, key) {
  const src = api.pictureAt(job.id, picture.index, { size: 256, format: "webp" });
  const pressed = () => {
    if (!picking)
      return view(
        pictures(),
        pictures().findIndex((each) => `${each.job.id}/${each.picture.index}` === key),
      );
    if (!picked.delete(key)) picked.add(key);
    return draw();
  };
  const image = h("img", {
    src,
    alt: "",
    loading: "lazy",
    decoding: "async",
    width: 256,
    height: 256,
  });
  return h(
    "li",
    { data: { key } },
    h("button", { type: "button", data: { key }, on: { click: pressed } }, image),
  );
}

/** @param {any} button @param {import("./jobs.js").Picture} picture @param {string} key */
function name(button, picture, key) {
  const what = picture.record.prompt || t("queue.untitled");
  button.setAttribute("aria-label", t(picking ? "history.pick" : "view", { what }));
  if (picking) button.setAttribute("aria-pressed", String(picked.has(key)));
  else button.removeAttribute("aria-pressed");
}

/** @param {boolean} now */
function pick(now) {
  picking = now;
  picked.clear();
  byId("choose").setAttribute("aria-pressed", String(now));
  draw();
}

function chosen() {
  const bar = byId("chosen");
  byId("choose").textContent = t(picking ? "history.chosen" : "history.choose");
  bar.hidden = !picking;
  if (!picking) return;
  const some = pictures().filter(({ job, picture }) => picked.has(`${job.id}/${picture.index}`));
  const keepAll = () => some.forEach(({ job, picture }) => save({ job, picture }));
  const buttons = [
    iconButton("save", t("save"), keepAll, { shown: true }),
    iconButton("compare", t("compare"), () => view(some, 0, some[1]), { shown: true }),
    iconButton("bin", t("delete"), () => void remove(some), { shown: true }),
  ];
  for (const each of buttons) each.disabled = !some.length;
  buttons[1].disabled = some.length !== 2;
  fill(bar, h("span", {}, t("history.count", { n: some.length })), buttons);
}

/** Pictures that were drawn together go together. @param {import("./viewer.js").Entry[]} some */
async function remove(some) {
  const ids = new Set(some.map(({ job }) => job.id));
  const n = [...ids].reduce((sum, id) => sum + (jobs.get(id)?.pictures.length ?? 0), 0);
  if (!confirm(t(n > some.length ? "history.together" : "history.sure", { n }))) return;
  for (const id of ids) {
    await api.remove(id).then(
      () => forget(id),
      (error) => (error.status === 404 ? forget(id) : refuse(explained(error))),
    );
  }
  pick(false);
  byId("choose").focus();
}

/** Arrow keys go from picture to picture. @param {KeyboardEvent} event */
function arrows(event) {
  const buttons = [...byId("shelf").querySelectorAll("button")];
  const here = buttons.indexOf(document.activeElement);
  const across = buttons.filter((each) => each.offsetTop === buttons[0]?.offsetTop).length;
  /** @type {Record<string, number>} */
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  const next = buttons[here + by[event.key]];
  if (here < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
