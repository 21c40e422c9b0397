/** A grid as one picture, with its values beside its rows and above its columns. */

import * as api from "./api.js";
import { h } from "./dom.js";
import { jobs } from "./jobs.js";

const GAP = 8;
const LINE = 24; // pixels of a line of words
const MOST = 240; // pixels of the words beside a row

/**
 * Hands a grid to the browser as a file; what is not drawn yet stays empty.
 * @param {import("./grid.js").Grid} grid
 */
export async function saveGrid(grid) {
  const pictures = await Promise.all(grid.ids.map((row) => Promise.all(row.map(loaded))));
  const all = pictures.flat().filter((each) => each !== null);
  const width = Math.max(64, ...all.map((each) => each.naturalWidth));
  const height = Math.max(LINE, ...all.map((each) => each.naturalHeight));
  const canvas = document.createElement("canvas");
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const font = "16px system-ui, sans-serif";
  pen.font = font;
  const widest = Math.max(...grid.y.map((each) => pen.measureText(each).width));
  const beside = Math.ceil(Math.min(MOST, widest)); // on whole pixels, so that none is resampled
  const left = beside ? beside + 2 * GAP : GAP;
  canvas.width = left + grid.x.length * (width + GAP);
  canvas.height = LINE + GAP + grid.y.length * (height + GAP);
  Object.assign(pen, { font, fillStyle: "white", textBaseline: "middle" });
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "black";
  const across = (/** @type {number} */ i) => left + i * (width + GAP);
  const down = (/** @type {number} */ i) => LINE + GAP + i * (height + GAP);
  grid.y.forEach((each, i) => pen.fillText(each, GAP, down(i) + height / 2, MOST));
  pen.textAlign = "center";
  grid.x.forEach((each, i) => pen.fillText(each, across(i) + width / 2, LINE / 2 + GAP / 2, width));
  pictures.forEach((row, j) =>
    row.forEach((each, i) => each && pen.drawImage(each, across(i), down(j))),
  );
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const link = h("a", { href: URL.createObjectURL(blob), download: "kakusan-grid.png" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @param {string | null} id @returns {Promise<HTMLImageElement | null>} */
async function loaded(id) {
  const picture = id ? jobs.get(id)?.pictures[0] : null;
  if (!id || !picture) return null;
  const image = new Image();
  image.src = api.pictureAt(id, picture.index);
  return image.decode().then(
    () => image,
    () => null,
  );
}
