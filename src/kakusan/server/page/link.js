/** The settings as an address of this page. */

import { EMPTY, change, form, known } from "./store.js";

/** What cannot be in a link: pictures lie on one server. */
const NOT_SHARED = ["start", "mask", "controls"];

/** An address of this page with its settings, behind the `#`, which is sent to no server. */
export function link() {
  const changed = Object.entries(form).filter(
    ([name, value]) =>
      !NOT_SHARED.includes(name) && JSON.stringify(value) !== JSON.stringify(EMPTY[name]),
  );
  const where = new URL(location.href);
  where.hash = new URLSearchParams({
    settings: JSON.stringify(Object.fromEntries(changed)),
  }).toString();
  return where.href;
}

/**
 * Takes the settings of such an address.
 * @param {string} said
 * @returns {boolean} whether there were any
 */
export function takeLink(said) {
  try {
    const found = known(JSON.parse(said));
    for (const name of NOT_SHARED) delete found[name];
    if (!Object.keys(found).length) return false;
    change({ ...EMPTY, model: form.model, ...found });
    return true;
  } catch {
    return false;
  }
}
