/** Many pictures in a table: two settings, each with several values. */

import * as api from "./api.js";
import { byId, dialog, fill, h, iconButton } from "./dom.js";
import { saveGrid } from "./grid-picture.js";
import { t } from "./i18n.js";
import { axis, cells, KINDS } from "./axes.js";
import { wrong } from "./checks.js";
import { isFinal, jobs, learn } from "./jobs.js";
import { randomSeed, request } from "./request.js";
import { catalog, form, keep, on, recall } from "./store.js";
import { send } from "./submit.js";
import { show as view } from "./viewer.js";

const MOST = 100;
const KEPT = 8;

/**
 * @typedef {{name: string, x: string[], y: string[], xs: string, ys: string, ids: (string | null)[][]}} Grid
 */

/** @type {any} */
let table = null;

export function begin() {
  byId("open-grid").addEventListener("click", open);
  on("job", ({ job }) => table?.isConnected && draw(job.id));
}

/** @returns {Grid[]} */
const kept = () => recall("grids", []);

function open() {
  const inputs = ["x", "y"].map(side);
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  table = h("div", { class: "table", tabindex: 0, role: "region", "aria-label": t("grid") });
  const count = h("p", { class: "note", role: "status" });
  const told = () => {
    const both = inputs.map((each) => each.read());
    const n = both[0].values.length * both[1].values.length;
    count.textContent = t("grid.count", { n });
    problem.hidden = true;
  };
  for (const each of inputs) each.element.addEventListener("input", told);
  const go = async () => {
    problem.hidden = true;
    const said = await begun(inputs.map((each) => each.read()));
    if (!said) return;
    problem.textContent = said;
    problem.hidden = false;
  };
  dialog(
    t("grid.open"),
    { close: t("close") },
    h(
      "div",
      { class: "inside" },
      h("p", { class: "note" }, t("grid.hint")),
      h(
        "div",
        { class: "axes" },
        inputs.map((each) => each.element),
      ),
      h(
        "div",
        { class: "buttons" },
        h(
          "button",
          { type: "button", class: "main", on: { click: () => void go() } },
          t("grid.draw"),
        ),
      ),
      count,
      problem,
      earlier(),
      table,
    ),
  );
  told();
  if (kept().length) look(0);
}

/** One axis: what changes, and its values. @param {string} which */
function side(which) {
  const last = recall("axes", {})[which] ?? { kind: which === "x" ? "steps" : "none", text: "" };
  const kind = h(
    "select",
    { id: `grid-${which}` },
    KINDS.map((each) => h("option", { value: each }, t(`axis.${each}`))),
  );
  kind.value = last.kind;
  const text = h("input", {
    id: `grid-${which}-values`,
    type: "text",
    value: last.text,
    autocomplete: "off",
    "aria-describedby": `grid-${which}-hint`,
  });
  const hint = h("p", { class: "note", id: `grid-${which}-hint` });
  const said = () => {
    hint.textContent = t(`axis.${kind.value}.hint`);
    text.disabled = kind.value === "none";
    if (kind.value === "scheduler" && !text.value)
      text.value = catalog.schedulers
        .slice(0, 4)
        .map((each) => each.name)
        .join(", ");
  };
  kind.addEventListener("change", () => {
    text.value = "";
    said();
  });
  said();
  const read = () => {
    keep("axes", { ...recall("axes", {}), [which]: { kind: kind.value, text: text.value } });
    return { kind: kind.value, ...axis(kind.value, text.value, form.prompt) };
  };
  const element = h(
    "fieldset",
    {},
    h("legend", {}, t(`grid.${which}`)),
    h("label", { class: "unseen", for: kind.id }, t("grid.kind")),
    kind,
    h("label", { class: "unseen", for: text.id }, t("grid.values")),
    text,
    hint,
  );
  return { element, read };
}

/**
 * Sends the jobs of a grid.
 * @param {any[]} axes
 * @returns {Promise<string | null>} What is wrong with it.
 */
async function begun([x, y]) {
  const unread = x.problem ?? y.problem;
  if (unread) return t(unread.key, unread);
  const bad = wrong();
  if (bad) return bad.text;
  const n = x.values.length * y.values.length;
  if (n > MOST) return t("grid.many", { n, most: MOST });
  /** @type {Record<string, any>} */
  const base = { ...request(), ...(form.locked ? {} : { seed: randomSeed() }) };
  delete base.num_images_per_prompt;
  /** @type {Grid} */
  const grid = {
    ...{ name: form.prompt, x: x.labels, y: y.labels, xs: x.kind, ys: y.kind },
    ids: y.values.map(() => x.values.map(() => null)),
  };
  for (const { row, column, asked } of cells(base, x, y)) {
    const job = await send({ request: asked, quiet: true });
    if (!job) return byId("problem").textContent;
    grid.ids[row][column] = job.id;
    const others = kept().filter((each) => each.ids[0]?.[0] !== grid.ids[0][0]);
    keep("grids", [grid, ...others].slice(0, KEPT));
    const select = table.closest("dialog")?.querySelector("#grid-earlier");
    if (row + column === 0) select?.replaceWith(earlier());
    if (row + column === 0 || !select || select.value === "0") look(0);
  }
  return null;
}

/** The grids that were drawn before. */
function earlier() {
  const grids = kept();
  const select = h(
    "select",
    {
      id: "grid-earlier",
      "aria-label": t("grid.earlier"),
      hidden: grids.length < 2,
      on: { change: () => look(Number(select.value)) },
    },
    grids.map((each, i) =>
      h("option", { value: String(i) }, `${each.name} · ${each.x.length} × ${each.y.length}`),
    ),
  );
  return select;
}

/** @param {number} which */
function look(which) {
  const grid = kept()[which];
  if (!grid) return fill(table);
  for (const id of grid.ids.flat())
    if (id && !jobs.has(id)) void api.job(id).then(learn, () => {});
  const { x, y, xs, ys, ids, name } = grid;
  return fill(
    table,
    h(
      "table",
      {},
      h("caption", {}, `${name} · ${t(`axis.${xs}`)} × ${t(`axis.${ys}`)}`),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("td", {}),
          x.map((each) => h("th", { scope: "col" }, each)),
        ),
      ),
      h(
        "tbody",
        {},
        y.map((each, row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, each),
            ids[row].map((id) => h("td", { data: { id: id ?? "" } }, cell(id))),
          ),
        ),
      ),
    ),
    iconButton("save", t("grid.save"), () => void saveGrid(grid), { shown: true }),
  );
}

/** @param {string | null} id */
function cell(id) {
  const job = id ? jobs.get(id) : null;
  if (!job) return "";
  if (!isFinal(job))
    return job.state === "running" && job.steps
      ? `${job.step}/${job.steps}`
      : t(`state.${job.state}`);
  const [picture] = job.pictures;
  if (!picture) return h("span", { title: job.error ?? "" }, t(`state.${job.state}`));
  const src = api.pictureAt(job.id, picture.index, { size: 256, format: "webp" });
  return h(
    "button",
    {
      type: "button",
      "aria-label": t("view", { what: picture.record.prompt ?? "" }),
      on: { click: () => view([{ job, picture }], 0) },
    },
    h("img", { src, alt: "", loading: "lazy" }),
  );
}

/** @param {string} id */
function draw(id) {
  const place = table.querySelector(`td[data-id="${id}"]`);
  if (place) fill(place, cell(id));
}
