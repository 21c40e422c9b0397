/** What the page says, in the language that was chosen. */

import { emit, keep, recall } from "./store.js";

export const LANGUAGES = /** @type {const} */ ({ en: "English", ja: "日本語" });

/** @type {Record<string, string>} */
let texts = {};
export let language = "en";

/** The language that was chosen, or the first of the browser's that there is. */
function usual() {
  const chosen = recall("language", "");
  if (chosen in LANGUAGES) return chosen;
  const wanted = navigator.languages.map((each) => each.slice(0, 2));
  return wanted.find((each) => each in LANGUAGES) ?? "en";
}

/** @param {string} [chosen] */
export async function speak(chosen) {
  if (chosen) keep("language", chosen);
  const wanted = chosen ?? usual();
  const answer = await fetch(new URL(`./text/${wanted}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`the page's texts: ${answer.status}`);
  texts = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted;
  put(document);
  emit("language");
}

/**
 * What is said under a key, with values in the places of their names.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {number} value @param {Intl.NumberFormatOptions} [how] */
export function number(value, how) {
  return new Intl.NumberFormat(language, how).format(value);
}

/**
 * A length of time, rounded as people say it.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 1) return t("time.soon");
  if (seconds < 90) return t("time.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return t("time.minutes", { n: Math.round(seconds / 60) });
  return t("time.hours", { n: number(seconds / 3600, { maximumFractionDigits: 1 }) });
}

/** @param {number} seconds since 1970 */
export function when(seconds) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(
    new Date(seconds * 1000),
  );
}

/** Puts texts where the page's markup asks for them. @param {ParentNode} root */
export function put(root) {
  for (const each of root.querySelectorAll("[data-t]")) {
    each.textContent = t(/** @type {HTMLElement} */ (each).dataset.t ?? "");
  }
  for (const each of root.querySelectorAll("[data-t-label]")) {
    const name = t(/** @type {HTMLElement} */ (each).dataset.tLabel ?? "");
    each.setAttribute("aria-label", name);
    if (each.tagName === "BUTTON") each.setAttribute("title", name);
  }
  for (const each of root.querySelectorAll("[data-t-placeholder]")) {
    const shown = t(/** @type {HTMLElement} */ (each).dataset.tPlaceholder ?? "");
    each.setAttribute("placeholder", shown);
  }
}
