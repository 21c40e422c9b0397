/** The mask: what of the first picture is drawn anew, painted or given in numbers. */

import { announce, byId, dialog, h, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { change, form } from "./store.js";
import { explained, refuse } from "./submit.js";
import { Layer } from "./mask-layer.js";
import { hand } from "./thumbs.js";
import { inputAt } from "./api.js";

/** Paints over the first picture of the form, and puts the mask there. */
export async function paint() {
  const { start } = form;
  if (!start) return;
  try {
    const under = await loaded(inputAt(start.id));
    const old = form.mask ? await loaded(inputAt(form.mask.id)) : null;
    if (form.start !== start || document.querySelector("dialog[open]")) return;
    new Painter(start.id, under, old).show();
  } catch {
    refuse(t("problem.input"));
  }
}

/** @param {string} src @returns {Promise<HTMLImageElement>} */
async function loaded(src) {
  const image = new Image();
  image.src = src;
  await image.decode();
  return image;
}

class Painter {
  /**
   * @param {string} start the picture of the form that is painted over
   * @param {HTMLImageElement} under @param {HTMLImageElement | null} old
   */
  constructor(start, under, old) {
    this.start = start;
    this.under = under;
    this.width = under.naturalWidth;
    this.height = under.naturalHeight;
    this.size = Math.max(4, Math.round(Math.max(this.width, this.height) / 10));
    this.erase = false;
    this.layer = new Layer(this.width, this.height, t("mask.alt"), old);
  }

  show() {
    const base = h("canvas", { width: this.width, height: this.height });
    base.getContext("2d").drawImage(this.under, 0, 0);
    const layers = h("div", { class: "layers" }, base, this.layer.canvas);
    const most = Math.max(1, Math.min(4, 512 / Math.max(this.width, this.height)));
    const shape = this.width / this.height;
    layers.style.width = `min(100%, ${this.width * most}px, calc(55dvh * ${shape}))`;
    base.style.width = "100%";
    this.listen(this.layer.canvas);
    this.dialog = dialog(
      t("mask.title"),
      { close: t("close"), back: () => byId("start").querySelector(".side-by button") },
      h(
        "div",
        { class: "inside" },
        h("p", { class: "note" }, t("mask.hint")),
        h("div", { class: "painting" }, layers),
        this.tools(),
        this.boxes(),
        h(
          "div",
          { class: "buttons" },
          h(
            "button",
            { type: "button", class: "main", on: { click: () => void this.save() } },
            t("mask.use"),
          ),
        ),
        h("p", { class: "problem", role: "alert", hidden: true }),
      ),
    );
    this.dialog.addEventListener("keydown", (event) => this.pressed(event));
  }

  tools() {
    const tool = (/** @type {boolean} */ erase) => () => {
      this.erase = erase;
      this.pressedTools();
    };
    this.brush = iconButton("brush", t("mask.brush"), tool(false), { shown: true, key: "b" });
    this.rubber = iconButton("eraser", t("mask.eraser"), tool(true), { shown: true, key: "e" });
    this.sized = h("input", {
      type: "range",
      min: 2,
      max: Math.max(16, Math.round(Math.max(this.width, this.height) / 2)),
      value: String(this.size),
      on: { input: () => (this.size = Number(this.sized.value)) },
    });
    this.pressedTools();
    return h(
      "div",
      { class: "numbers" },
      this.brush,
      this.rubber,
      h("label", { class: "slide" }, t("mask.size"), this.sized),
      iconButton("again", t("mask.undo"), () => this.undo(), { shown: true, key: "Control+z" }),
      iconButton("swap", t("mask.invert"), () => this.add({ kind: "invert" }), {
        shown: true,
        key: "i",
      }),
      iconButton("bin", t("mask.clear"), () => this.add({ kind: "clear" }), { shown: true }),
    );
  }

  pressedTools() {
    this.brush.setAttribute("aria-pressed", String(!this.erase));
    this.rubber.setAttribute("aria-pressed", String(this.erase));
  }

  /** What the brush does, by numbers. */
  boxes() {
    const names = /** @type {const} */ (["left", "top", "width", "height"]);
    const usual = [
      Math.round(this.width / 4),
      Math.round(this.height / 4),
      Math.round(this.width / 2),
      Math.round(this.height / 2),
    ];
    const inputs = names.map((name, i) =>
      h("input", {
        type: "number",
        min: 0,
        max: i % 2 ? this.height : this.width,
        value: String(usual[i]),
        name,
      }),
    );
    const box = (/** @type {boolean} */ erase) => () => {
      const [x, y, w, hh] = inputs.map((each) => Math.max(0, Number(each.value) || 0));
      this.add({ kind: "box", erase, box: [x, y, w, hh] });
    };
    return h(
      "div",
      { class: "numbers", role: "group", "aria-label": t("mask.box") },
      inputs.map((input, i) => h("label", {}, t(`mask.${names[i]}`), input)),
      iconButton("plus", t("mask.box.add"), box(false), { shown: true }),
      iconButton("eraser", t("mask.box.remove"), box(true), { shown: true }),
    );
  }

  /** @param {HTMLCanvasElement} canvas */
  listen(canvas) {
    /** @param {PointerEvent} event @returns {[number, number]} */
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        ((event.clientX - box.left) / box.width) * this.width,
        ((event.clientY - box.top) / box.height) * this.height,
      ];
    };
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      this.stroke = {
        kind: /** @type {const} */ ("stroke"),
        erase: this.erase || event.button === 2,
        size: this.size,
        points: [place(event)],
      };
      this.add(this.stroke);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.stroke) return;
      for (const each of event.getCoalescedEvents?.() ?? [event])
        this.stroke.points.push(place(each));
      this.layer.deed(this.stroke);
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, () => (this.stroke = undefined));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** @param {import("./mask-layer.js").Deed} deed */
  add(deed) {
    this.layer.add(deed);
    if (deed.kind === "stroke") return;
    announce(t("mask.share", { n: Math.round(this.layer.share() * 100) }));
  }

  undo() {
    this.layer.undo();
    announce(t("mask.undone"));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const typing = /** @type {HTMLElement} */ (event.target).matches("input[type=number]");
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "z" && !typing) this.undo();
    else if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    else if (key === "[" || key === "]")
      this.sized.value = String(
        (this.size = Math.max(2, Math.round(this.size * (key === "]" ? 1.2 : 1 / 1.2)))),
      );
    else if (key === "b" || key === "e") (key === "b" ? this.brush : this.rubber).click();
    else if (key === "i") this.add({ kind: "invert" });
    else return;
    event.preventDefault();
  }

  /** Sends black and white, and nothing of the picture below. */
  async save() {
    if (!this.layer.share()) return this.problem(t("mask.nothing"));
    try {
      const mask = await hand(await this.layer.blob());
      if (form.start?.id !== this.start || !this.dialog?.open) return undefined;
      change({ mask });
      this.dialog.close();
    } catch (error) {
      this.problem(explained(/** @type {any} */ (error)));
    }
    return undefined;
  }

  /** @param {string} text */
  problem(text) {
    const line = /** @type {HTMLElement} */ (this.dialog?.querySelector(".problem"));
    line.textContent = text;
    line.hidden = false;
  }
}
