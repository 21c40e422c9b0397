/** What is masked: what was painted, deed by deed, so that each can be taken back. */

import { h } from "./dom.js";

/**
 * @typedef {{kind: "stroke", erase: boolean, size: number, points: [number, number][]}
 *   | {kind: "box", erase: boolean, box: [number, number, number, number]}
 *   | {kind: "invert"} | {kind: "clear"} | {kind: "old", image: HTMLImageElement}} Deed
 */

export class Layer {
  /** @param {number} width @param {number} height @param {string} name @param {HTMLImageElement | null} old */
  constructor(width, height, name, old) {
    this.width = width;
    this.height = height;
    this.canvas = h("canvas", { width, height, role: "img", "aria-label": name });
    /** @type {CanvasRenderingContext2D} */
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.colour = getComputedStyle(document.documentElement).getPropertyValue("--ai").trim();
    /** @type {Deed[]} */
    this.deeds = old ? [{ kind: "old", image: old }] : [];
    this.draw();
  }

  /** @param {Deed} deed */
  add(deed) {
    this.deeds.push(deed);
    this.deed(deed);
  }

  undo() {
    this.deeds.pop();
    this.draw();
  }

  draw() {
    this.pen.clearRect(0, 0, this.width, this.height);
    for (const deed of this.deeds) this.deed(deed);
  }

  /** @param {Deed} deed */
  deed(deed) {
    const { pen } = this;
    pen.save();
    pen.fillStyle = pen.strokeStyle = this.colour;
    if ("erase" in deed && deed.erase) pen.globalCompositeOperation = "destination-out";
    if (deed.kind === "clear") pen.clearRect(0, 0, this.width, this.height);
    if (deed.kind === "box") pen.fillRect(...deed.box);
    if (deed.kind === "invert") {
      pen.globalCompositeOperation = "source-out";
      pen.fillRect(0, 0, this.width, this.height);
    }
    if (deed.kind === "old") this.old(pen, deed.image);
    if (deed.kind === "stroke") {
      pen.lineWidth = deed.size;
      pen.lineCap = pen.lineJoin = "round";
      pen.beginPath();
      pen.moveTo(...deed.points[0]);
      for (const point of deed.points) pen.lineTo(...point);
      pen.stroke();
    }
    pen.restore();
  }

  /** White of an earlier mask becomes paint. @param {any} pen @param {HTMLImageElement} image */
  old(pen, image) {
    pen.drawImage(image, 0, 0, this.width, this.height);
    const data = pen.getImageData(0, 0, this.width, this.height);
    for (let i = 0; i < data.data.length; i += 4) data.data[i + 3] = data.data[i];
    pen.putImageData(data, 0, 0);
    pen.globalCompositeOperation = "source-in";
    pen.fillRect(0, 0, this.width, this.height);
  }

  pixels() {
    return this.pen.getImageData(0, 0, this.width, this.height);
  }

  share() {
    const { data } = this.pixels();
    let n = 0;
    for (let i = 3; i < data.length; i += 4) n += data[i] > 127 ? 1 : 0;
    return n / (this.width * this.height);
  }

  /** The mask as it is sent: white where it is painted, else black. @returns {Promise<Blob>} */
  blob() {
    const out = h("canvas", { width: this.width, height: this.height });
    const image = this.pixels();
    for (let i = 0; i < image.data.length; i += 4) {
      const level = image.data[i + 3] > 127 ? 255 : 0;
      image.data.set([level, level, level, 255], i);
    }
    out.getContext("2d").putImageData(image, 0, 0);
    return new Promise((resolve) => out.toBlob(resolve, "image/png"));
  }
}
