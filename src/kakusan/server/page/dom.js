/** Elements, made and found. Texts become text nodes: nothing here reads markup. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * The element with an id, which the page has for certain.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * An element with its properties: `class`, `on` (listeners), `data`, or any attribute.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Child | any[])} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [kind, listener] of Object.entries(value)) made.addEventListener(kind, listener);
    } else if (name === "data") {
      Object.assign(made.dataset, value);
    } else if (name === "value") {
      /** @type {any} */ (made).value = value;
    } else {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...kept(children));
  return made;
}

/**
 * Puts other children in the place of all that an element has.
 * @param {Element} parent
 * @param {...(Child | any[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...kept(children));
}

/** @param {any[]} children @returns {(Node | string)[]} */
function kept(children) {
  return children
    .flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false)
    .map((each) => (each instanceof Node ? each : String(each)));
}

/** Outlines on a field of 24 by 24. */
const PATHS = {
  dice: "M6 3.5h12A2.5 2.5 0 0 1 20.5 6v12a2.5 2.5 0 0 1-2.5 2.5H6A2.5 2.5 0 0 1 3.5 18V6A2.5 2.5 0 0 1 6 3.5zM8.4 8.3l.2.2M15.4 8.3l.2.2M11.9 11.9l.2.2M8.4 15.4l.2.2M15.4 15.4l.2.2",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.5 11V7a3.5 3.5 0 0 1 6.8-1",
  again: "M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5",
  swap: "M7 4v13M7 17l-3-3M7 17l3-3M17 20V7M17 7l-3 3M17 7l3 3",
  close: "M6 6l12 12M18 6L6 18",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  left: "M19 12H5M11 6l-6 6 6 6",
  right: "M5 12h14M13 6l6 6-6 6",
  top: "M5 4h14M12 20V8M6.5 13.5L12 8l5.5 5.5",
  save: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  brush: "M14 4l6 6-8.5 8.5H8L5.5 16zM4 20.5h16",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  help: "M9 9.2a3 3 0 1 1 4.6 2.6c-1 .7-1.6 1.3-1.6 2.6M12 18h.01",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  compare: "M12 3v18M4 6h4.5v12H4M15.5 6H20v12h-4.5",
  share:
    "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7L11.5 6.8M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5",
  vary: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13v7M13 16.5h7",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  enlarge: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  plus: "M12 5v14M5 12h14",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.8h.01",
  eraser: "M9 19.5l-5-5L14.5 4l5.5 5.5-10 10zM9.5 9l5.5 5.5M9 19.5h11",
  stop: "M7 7h10v10H7z",
};

/**
 * An icon that says nothing by itself: its button has the name.
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button with an icon and a name, shown or only told.
 * @param {keyof typeof PATHS} picture
 * @param {string} name
 * @param {(event: Event) => void} pressed
 * @param {{shown?: boolean, class?: string, key?: string, data?: Record<string, string>}} [more]
 */
export function iconButton(picture, name, pressed, more = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `${more.shown ? "soft" : "bare"} ${more.class ?? ""}`.trim(),
      "aria-label": more.shown ? null : name,
      title: more.key ? `${name} (${more.key})` : more.shown ? null : name,
      "aria-keyshortcuts": more.key ?? null,
      data: more.data,
      on: { click: pressed },
    },
    icon(picture),
    more.shown ? h("span", {}, name) : null,
  );
}

/** A combination of keys as this system writes it. @param {string} keys */
export function keyName(keys) {
  if (!/Mac|iPhone|iPad/.test(navigator.platform)) return keys.replace("Enter", "↵");
  const signs = { Ctrl: "⌘", Shift: "⇧", Alt: "⌥", Enter: "↵" };
  return keys
    .replace(/Ctrl|Shift|Alt|Enter/g, (key) => signs[/** @type {keyof signs} */ (key)])
    .replaceAll("+", "");
}

/**
 * Says something to those who listen to the page.
 * @param {string} text
 */
export function announce(text) {
  const live = byId("live");
  live.textContent = live.textContent === text ? `${text}\u00a0` : text;
}

/**
 * Calls a function once the calls for it have stopped coming.
 * @template {any[]} A
 * @param {number} ms
 * @param {(...given: A) => void} work
 */
export function later(ms, work) {
  let timer = 0;
  return (/** @type {A} */ ...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}

/**
 * A dialog that is shown at once, and leaves nothing behind when it is closed.
 * @param {string} title
 * @param {{class?: string, close: string, back?: () => HTMLElement | null}} how `close` is the
 *   name of the way out, `back` where one is after it, where it was opened from having gone
 * @param {...(Child | any[])} inside
 * @returns {HTMLDialogElement}
 */
export function dialog(title, how, ...inside) {
  const back = document.activeElement;
  const made = h(
    "dialog",
    { class: how.class, "aria-labelledby": "dialog-title" },
    h(
      "header",
      {},
      h("h2", { id: "dialog-title" }, title),
      iconButton("close", how.close, () => made.close(), { key: "Escape" }),
    ),
    ...inside,
  );
  made.addEventListener("close", () => {
    made.remove();
    const to = back instanceof HTMLElement && back.isConnected ? back : how.back?.();
    to?.focus();
  });
  document.body.append(made);
  made.showModal();
  return made;
}
