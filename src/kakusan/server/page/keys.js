/** The keys of the whole page, and the dialog that tells of them. */

import * as api from "./api.js";
import { byId, dialog, fill, h, icon, keyName } from "./dom.js";
import { t } from "./i18n.js";
import { jobs } from "./jobs.js";
import { lookedAt } from "./stage.js";
import { emit, keep, recall } from "./store.js";
import { send } from "./submit.js";

/** @type {[string, string[][]][]} */
const TABLE = [
  [
    "keys.everywhere",
    [
      ["Ctrl+Enter", "generate"],
      ["Ctrl+Shift+Enter", "key.first"],
      ["Alt+Enter", "key.skip"],
      ["Esc", "key.interrupt"],
      ["/", "key.prompt"],
      ["?", "help.title"],
    ],
  ],
  [
    "keys.prompt",
    [
      ["Ctrl+↑ ↓", "key.weight"],
      ["Alt+← →", "key.move"],
      ["Alt+↑ ↓", "key.earlier"],
    ],
  ],
  [
    "keys.viewer",
    [
      ["← →", "key.turn"],
      ["A", "use.all"],
      ["S", "use.seed"],
      ["P", "use.prompt"],
      ["D", "use.size"],
      ["I", "info"],
      ["C", "compare"],
    ],
  ],
  [
    "keys.mask",
    [
      ["[ ]", "mask.size"],
      ["B", "mask.brush"],
      ["E", "mask.eraser"],
      ["I", "mask.invert"],
      ["Ctrl+Z", "mask.undo"],
    ],
  ],
];

export function begin() {
  fill(byId("help"), icon("help"));
  byId("help").addEventListener("click", help);
  const letters = byId("letters");
  letters.checked = recall("letters", true);
  letters.addEventListener("change", () => keep("letters", letters.checked));
  byId("generate-key").textContent = keyName("Ctrl+Enter");
  document.addEventListener("keydown", pressed);
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const command = event.ctrlKey || event.metaKey;
  const inDialog = document.querySelector("dialog[open]") !== null;
  if (event.isComposing || event.defaultPrevented) return;
  if (event.key === "Enter" && command && !inDialog) void send({ first: event.shiftKey });
  else if (event.key === "Enter" && event.altKey && !inDialog) end("cancel");
  else if (event.key === "Escape" && !inDialog && running()) end("interrupt");
  else if (plain(event) && event.key === "?") help();
  else if (plain(event) && event.key === "/" && !inDialog) byId("prompt").focus();
  else return;
  event.preventDefault();
}

/** Whether a key stands alone, outside of what can be typed in. @param {KeyboardEvent} event */
function plain(event) {
  const { target } = event;
  const typing =
    target instanceof HTMLElement &&
    target.matches("input:not([type=range], [type=checkbox]), textarea, select");
  return recall("letters", true) && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
}

/** The job that is looked at, else one that is drawn. */
function running() {
  const seen = lookedAt();
  if (seen?.state === "running") return seen;
  return [...jobs.values()].find((job) => job.state === "running");
}

/** @param {string} how */
function end(how) {
  const job = running();
  if (job) void api.stop(job.id, how).catch(() => emit("back"));
}

function help() {
  if (document.querySelector("dialog.help")) return;
  const rows = TABLE.flatMap(([part, keys]) => [
    h("h3", {}, t(part)),
    h(
      "dl",
      { class: "keys" },
      keys.map(([key, what]) => [h("dt", {}, h("kbd", {}, keyName(key))), h("dd", {}, t(what))]),
    ),
  ]);
  dialog(
    t("help.title"),
    { class: "small help", close: t("close") },
    h("div", { class: "inside" }, rows, h("p", { class: "note" }, t("help.letters"))),
  );
}
