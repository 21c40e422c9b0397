/** Back to what the model has, but for the texts; and back from there. */

import { announce, byId } from "./dom.js";
import { t } from "./i18n.js";
import { EMPTY, change, form, model, on } from "./store.js";

/** @type {import("./store.js").Form | null} what was set, until something else is */
let before = null;
let busy = false;

export function begin() {
  byId("reset").addEventListener("click", pressed);
  on("form", () => {
    if (!busy) show(null);
  });
  on("language", () => show(before));
}

function pressed() {
  const last = before;
  const now = { ...form };
  const { prompt, negative, model: name } = form;
  const usual = { ...EMPTY, prompt, negative, model: name || model().name || "" };
  busy = true;
  change(last ?? usual);
  busy = false;
  show(last ? null : now);
  announce(t(last ? "reset.undone" : "reset.done"));
}

/** @param {import("./store.js").Form | null} last */
function show(last) {
  before = last;
  byId("reset").textContent = t(last ? "reset.undo" : "reset");
}
