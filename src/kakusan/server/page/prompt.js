/** The two texts: what is known of them as they are typed, and the keys that edit them. */

import { divided, pieces, shifted, strangers, weighed } from "./align.js";
import * as api from "./api.js";
import { byId, fill, h, later } from "./dom.js";
import { moved, weigh } from "./editing.js";
import { number, t } from "./i18n.js";
import { isLearnt } from "./request.js";
import { change, form, keep, on, recall } from "./store.js";

const WAIT = 250; // ms after the last key
const KEPT = 50;

/** @type {string[]} the latest first */
let written = recall("prompts", []);

/** @param {string} text */
export function remember(text) {
  if (!text.trim()) return;
  written = [text, ...written.filter((each) => each !== text)].slice(0, KEPT);
  keep("prompts", written);
}

export function begin() {
  const texts = /** @type {const} */ (["prompt", "negative"]).map((name) => new Text(name));
  on("form", ({ patch, source }) => {
    for (const text of texts) {
      if (text.name in patch && source !== text) text.show();
      else if ("model" in patch || "syntax" in patch) text.ask();
    }
  });
  on("language", () => texts.forEach((text) => text.tell()));
  on("online", () => texts.forEach((text) => text.ask()));
}

/** A text that is being typed, and what the server read in it. */
class Text {
  /** @param {"prompt" | "negative"} name */
  constructor(name) {
    this.name = name;
    /** @type {HTMLTextAreaElement} */
    this.area = byId(name);
    this.marks = byId(`${name}-marks`);
    this.note = byId(`${name}-read`);
    /** @type {import("./align.js").Span[]} */
    this.spans = [];
    /** @type {any} */
    this.reading = null;
    this.marked = "";
    this.back = -1;
    this.round = 0; // of what is asked: an answer to an older one is not taken
    this.ask = later(WAIT, () => void this.read());
    this.area.addEventListener("input", () => this.typed());
    this.area.addEventListener("keydown", (event) => this.pressed(event));
    this.show();
  }

  show() {
    this.area.value = form[this.name];
    this.spans = [];
    this.draw();
    this.ask();
  }

  typed() {
    this.spans = shifted(this.spans, this.marked, this.area.value);
    this.back = -1;
    change({ [this.name]: this.area.value }, this);
    this.draw();
    this.ask();
  }

  async read() {
    const text = this.area.value;
    const mine = ++this.round;
    if (!text.trim()) {
      this.reading = null;
      this.spans = [];
    } else {
      try {
        const found = await api.tokens(text, form.model, form.syntax);
        if (mine !== this.round || text !== this.area.value) return;
        const strange = Object.entries(found.unknown).filter(([word]) => !isLearnt(word));
        const unknown = Object.fromEntries(strange);
        this.reading = { ...found, unknown };
        const { segments, chunks, cut } = found;
        this.spans = [
          ...weighed(text, segments),
          ...divided(text, chunks, cut),
          ...strangers(text, Object.keys(unknown)),
        ];
      } catch {
        if (mine !== this.round) return;
        this.reading = null; // what is typed can be sent all the same
        this.spans = [];
      }
    }
    this.draw();
    this.tell();
  }

  draw() {
    const text = this.area.value;
    this.marked = text;
    fill(
      this.marks,
      pieces(text, this.spans).map((piece) => {
        const kinds = ["strange", "cut", "chunk"].filter((kind) => piece[kind]);
        if (piece.weight === 1 && !kinds.length) return piece.text;
        const mark = h("mark", { class: kinds.join(" ") }, piece.text);
        if (piece.weight !== 1) mark.style.backgroundColor = tint(piece.weight);
        return mark;
      }),
      text.endsWith("\n") || !text ? "\u200b" : null,
    );
  }

  tell() {
    if (!this.reading) return fill(this.note);
    const { chunks, room, unknown, readAs, cut, unread } = this.reading;
    const used = chunks.map((each) => each.length);
    const last = used.at(-1) ?? 0;
    const count = t(chunks.length > 1 ? "tokens.chunks" : "tokens", {
      n: number(last),
      room,
      chunks: chunks.length,
      all: number(used.reduce((a, b) => a + b, 0)),
    });
    const words = Object.entries(unknown).map(([word, near]) => {
      if (readAs[word]) return t("unknown.read", { word, near: readAs[word] });
      return near ? t("unknown.near", { word, near }) : t("unknown.word", { word });
    });
    fill(
      this.note,
      h("span", {}, count),
      cut.length ? h("span", { class: "over" }, t("tokens.cut", { n: cut.length })) : null,
      words.length
        ? h(
            "span",
            { class: "strangers" },
            t("unknown", { words: words.slice(0, 8).join(t("and")) }),
          )
        : null,
      unread.length
        ? h("span", { class: "strangers" }, t("unread", { what: unread.join(" ") }))
        : null,
    );
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const command = event.ctrlKey || event.metaKey;
    const { key } = event;
    const vertical = key === "ArrowUp" || key === "ArrowDown";
    const { selectionStart: from, selectionEnd: to, value } = this.area;
    if (command && vertical && !event.altKey && !event.shiftKey) {
      this.edit(event, weigh(value, from, to, key === "ArrowUp" ? 0.1 : -0.1));
    } else if (event.altKey && !command && (key === "ArrowLeft" || key === "ArrowRight")) {
      this.edit(event, moved(value, from, key === "ArrowLeft" ? -1 : 1));
    } else if (event.altKey && !command && vertical && this.name === "prompt") {
      event.preventDefault();
      this.turn(key === "ArrowUp" ? 1 : -1);
    }
  }

  /** @param {KeyboardEvent} event @param {import("./editing.js").Edit | null} edit */
  edit(event, edit) {
    event.preventDefault();
    if (!edit) return;
    this.area.setSelectionRange(edit.from, edit.to);
    this.insert(edit.insert);
    this.area.setSelectionRange(...edit.select);
  }

  /** As if it were typed, so that it can be undone. @param {string} text */
  insert(text) {
    const done = text ? ["insertText", false, text] : ["delete"];
    if (document.execCommand(.../** @type {[string]} */ (done))) return;
    this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
    this.typed();
  }

  /** Puts an earlier prompt in place of this one. @param {number} by */
  turn(by) {
    const next = Math.min(Math.max(this.back + by, -1), written.length - 1);
    if (next === this.back) return;
    this.area.select();
    this.insert(next < 0 ? "" : written[next]);
    this.back = next;
  }
}

/** Indigo for more, ochre for less, the stronger the further from 1. @param {number} weight */
function tint(weight) {
  const share = Math.round(Math.min(Math.abs(weight - 1) * 55, 40) + 8);
  return `color-mix(in srgb, var(${weight > 1 ? "--ai" : "--warn"}) ${share}%, transparent)`;
}
