/** Two pictures, one over the other, with an edge between them that can be moved. */

import { h } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @param {HTMLImageElement} image which is on the right of the edge
 * @param {{src: string, name: string}} below which is on its left
 * @param {string} name what the picture itself is called
 */
export function compared(image, below, name) {
  const edge = h("div", { class: "edge" });
  const { width, height } = image;
  const under = h("img", { src: below.src, alt: below.name, width, height });
  const slide = h("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 0.5,
    value: "50",
    "aria-label": t("compare.slide"),
    data: { act: "slide" },
  });
  const put = () => {
    image.style.clipPath = `inset(0 0 0 ${slide.value}%)`;
    edge.style.left = `${slide.value}%`;
  };
  slide.addEventListener("input", put);
  const both = h(
    "div",
    { class: "compared" },
    ...[under, image, edge],
    h("p", { class: "side-name" }, below.name),
    h("p", { class: "side-name own" }, name),
    slide,
  );
  both.style.width = image.style.width;
  both.style.aspectRatio = `${width} / ${height}`;
  under.style.width = image.style.width = "100%";
  drawn(both, (share) => {
    slide.value = String(share * 100);
    put();
  });
  put();
  return both;
}

/**
 * Follows a pointer that is pressed anywhere on the pictures.
 * @param {HTMLElement} both @param {(share: number) => void} moved
 */
function drawn(both, moved) {
  const to = (/** @type {PointerEvent} */ event) => {
    const { left, width } = both.getBoundingClientRect();
    moved(Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  both.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault(); // else the picture itself is dragged
    both.setPointerCapture(event.pointerId);
    to(event);
  });
  both.addEventListener("pointermove", (event) => {
    if (both.hasPointerCapture(event.pointerId)) to(event);
  });
}
