/** What was asked for and has not been answered: it is sent until it is, over reloads too. */

import * as api from "./api.js";
import { form, keep, recall } from "./store.js";

const MOST = 50;
const AGAIN = 5000; // ms until it is tried once more

/** @typedef {{text: string, key: string, asked: Record<string, any>}} Letter */

/** @returns {Letter[]} */
export const letters = () => recall("outbox", []);

/** Whether the server may take the same later: it is away, closing, or asks who is there. */
export const isLater = (/** @type {number} */ status) => [0, 401, 502, 503, 504].includes(status);

/**
 * The key that a request is sent under; the same for the same, until there is an answer.
 * @param {Record<string, any>} asked whose seeds become those that it was first sent with
 * @returns {Letter}
 */
export function posted(asked) {
  const own = form.locked ? {} : { seed: null };
  const text = JSON.stringify({ ...asked, ...own, variation_seed: null });
  const before = letters().find((each) => each.text === text);
  if (before) {
    Object.assign(asked, before.asked);
    return before;
  }
  const fresh = { text, key: api.newKey(), asked };
  keep("outbox", [...letters(), fresh].slice(-MOST));
  return fresh;
}

/** @param {string} key */
export function settled(key) {
  keep(
    "outbox",
    letters().filter((each) => each.key !== key),
  );
}

let timer = 0;

/** Tries again in a while. @param {() => void} work */
export function soon(work) {
  clearTimeout(timer);
  timer = setTimeout(work, AGAIN);
}
