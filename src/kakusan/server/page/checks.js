/** What can be seen to be wrong before anything is sent, said in the page's own language. */

import { t } from "./i18n.js";
import { settings } from "./request.js";
import { form } from "./store.js";

const SIDE = 8; // what the sides of a picture are multiples of
const MOST_SEED = 2n ** 64n - 1n;

/** Numbers with the least and the most that they can be. @type {[string, number, number, boolean][]} */
const NUMBERS = [
  ["steps", 1, 1000, true],
  ["guidance", 0, 1000, false],
  ["count", 1, 1000, true],
  ["variation", 0, 1, false],
];

/**
 * What is wrong with the form.
 * @returns {{text: string, field: string} | null}
 */
export function wrong() {
  if (!form.prompt.trim() && !form.start) return { text: t("problem.empty"), field: "prompt" };
  return size() ?? numbers() ?? seed("seed") ?? seed("variation-seed") ?? steering();
}

function size() {
  for (const field of /** @type {const} */ (["width", "height"])) {
    const now = settings()[field];
    if (!Number.isInteger(now) || now < SIDE || now > 4096) {
      return { text: t("problem.range", { name: t(field), least: SIDE, most: 4096 }), field };
    }
    if (now % SIDE) {
      const low = now - (now % SIDE);
      return { text: t("problem.sides", { name: t(field), now, low, high: low + SIDE }), field };
    }
  }
  return null;
}

function numbers() {
  const now = { ...settings(), count: form.count, variation: form.variation };
  for (const [field, least, most, whole] of NUMBERS) {
    const value = now[/** @type {keyof now} */ (field)];
    if (value >= least && value <= most && (!whole || Number.isInteger(value))) continue;
    const said = whole ? "problem.range" : "problem.between";
    return { text: t(said, { name: t(field), least, most }), field };
  }
  return null;
}

/** @param {"seed" | "variation-seed"} field */
function seed(field) {
  const text = (field === "seed" ? form.seed : form.variationSeed).trim();
  const used = field === "seed" ? form.locked : form.variation > 0;
  if (!used || !text || (/^\d+$/.test(text) && BigInt(text) <= MOST_SEED)) return null;
  const name = t(field === "seed" ? "seed" : "variation.seed");
  return { text: t("problem.range", { name, least: 0, most: String(MOST_SEED) }), field };
}

function steering() {
  const bare = form.controls.some((each) => !each.image);
  return bare ? { text: t("problem.control"), field: "controls" } : null;
}
