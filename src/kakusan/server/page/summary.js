/** The line beside the button: what will be drawn with, at a glance. */

import { byId } from "./dom.js";
import { number, t } from "./i18n.js";
import { settings } from "./request.js";
import { titled } from "./settings.js";
import { form, model, on } from "./store.js";

export function begin() {
  for (const name of ["form", "catalog", "language"]) on(name, draw);
  draw();
}

function draw() {
  const { width, height, steps, guidance } = settings();
  const { title, name } = titled(model());
  const told = { width, height, steps, guidance: number(guidance), model: title ?? name ?? "" };
  const parts = [t("summary", told), ...steered()];
  byId("summary").textContent = parts.join(t("summary.and"));
}

/** What is easily forgotten in a fold of the form. */
function steered() {
  const loras = form.loras.filter((each) => each.name && each.weight).length;
  const { controls, extra } = form;
  return [
    form.start && t(form.mask ? "summary.mask" : "summary.start", { n: number(form.strength) }),
    loras && t("summary.loras", { n: loras }),
    controls.length && t("summary.controls", { n: controls.length }),
    form.variation && t("summary.variation", { n: number(form.variation) }),
    Object.keys(extra).length && t("summary.extra", { n: Object.keys(extra).length }),
  ].filter(Boolean);
}
