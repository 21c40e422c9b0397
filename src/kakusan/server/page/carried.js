/** What a picture was drawn with that the page has no field for: shown, sent along, given up. */

import { byId, fill, h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { change, form, on } from "./store.js";

export function begin() {
  on("form", ({ patch }) => "extra" in patch && draw());
  on("language", draw);
  draw();
}

function draw() {
  const told = Object.entries(form.extra);
  byId("extra-field").hidden = !told.length;
  const remove = () => {
    change({ extra: {} });
    byId("open-grid").focus();
  };
  fill(
    byId("extra"),
    h(
      "ul",
      { class: "note" },
      told.map(([name, value]) => h("li", {}, `${name}: ${shown(value)}`)),
    ),
    iconButton("close", t("extra.remove"), remove, { shown: true }),
  );
}

/** @param {any} value */
function shown(value) {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value !== "object" || !value) return String(value);
  return Object.entries(value)
    .filter(([, each]) => each !== null)
    .map(([name, each]) => `${name} ${typeof each === "object" ? JSON.stringify(each) : each}`)
    .join(", ");
}
