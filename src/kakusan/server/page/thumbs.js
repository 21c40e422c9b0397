/** Pictures that are handed in: made small to be shown, and sent to the server. */

import * as api from "./api.js";

const SIDE = 192;
export const KINDS = ["image/png", "image/jpeg", "image/webp"];

/**
 * A small copy as a `data:` address, kept with the form.
 * @param {Blob} picture
 */
export async function small(picture) {
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.toDataURL("image/webp", 0.8);
}

/**
 * Sends a picture to the server, which keeps it under an id.
 * @param {Blob} picture
 * @returns {Promise<import("./store.js").Handed>}
 */
export async function hand(picture) {
  const { id, width, height } = await api.upload(picture);
  return { id, width, height, thumbnail: await small(picture).catch(() => undefined) };
}

/**
 * A picture that the server keeps, as it was when it was handed in.
 * @param {string} id
 * @returns {Promise<import("./store.js").Handed>}
 */
export async function again(id) {
  const answer = await fetch(api.inputAt(id));
  if (!answer.ok) throw new api.ApiError(answer.status, null);
  const picture = await answer.blob();
  const bitmap = await createImageBitmap(picture);
  const { width, height } = bitmap;
  bitmap.close();
  return { id, width, height, thumbnail: await small(picture) };
}
