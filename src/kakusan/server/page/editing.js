/** Edits of a prompt by keys: weights up and down, what stands between commas to and fro. */

/**
 * What to put in the place of a stretch of text, and what is selected afterwards.
 * @typedef {{from: number, to: number, insert: string, select: [number, number]}} Edit
 */

const DELIMITERS = " \t\r\n.,\\/!?%^*;:{}=`~()[]<>|、。，";
const WEIGHT = /^:([+-]?\d*\.?\d+)\)/;

/** @param {number} value */
const said = (value) => String(Math.round(value * 100) / 100);

/**
 * Makes what is selected, or the word at the caret, weigh more or less.
 * @param {string} text
 * @param {number} start
 * @param {number} end
 * @param {number} by
 * @returns {Edit | null}
 */
export function weigh(text, start, end, by) {
  const network = start === end ? networkAt(text, start) : null;
  if (network) return changed(text, network, by / 2);
  let [from, to] = start === end ? (enclosed(text, start) ?? wordAt(text, start)) : [start, end];
  while (from < to && text[from] === " ") from += 1;
  while (to > from && text[to - 1] === " ") to -= 1;
  if (from === to) return null;
  const inner = text.slice(from, to);
  const old = around(text, from, to);
  const weight = Math.round((old.weight + by) * 100) / 100;
  if (Math.abs(weight - 1) < 1e-9) {
    return {
      from: old.from,
      to: old.to,
      insert: inner,
      select: [old.from, old.from + inner.length],
    };
  }
  const insert = `(${inner}:${said(weight)})`;
  return {
    from: old.from,
    to: old.to,
    insert,
    select: [old.from + 1, old.from + 1 + inner.length],
  };
}

/**
 * What weighs a stretch already: `(x:1.2)`, or the older `((x))` and `[x]`.
 * @param {string} text @param {number} from @param {number} to
 */
function around(text, from, to) {
  const number = text[from - 1] === "(" && WEIGHT.exec(text.slice(to));
  if (number) return { from: from - 1, to: to + number[0].length, weight: Number(number[1]) };
  let depth = 0;
  let weight = 1;
  for (const [open, close, factor] of /** @type {const} */ ([
    ["(", ")", 1.1],
    ["[", "]", 0.9],
  ])) {
    while (text[from - 1 - depth] === open && text[to + depth] === close) {
      depth += 1;
      weight *= factor;
    }
    if (depth) break;
  }
  return { from: from - depth, to: to + depth, weight: Math.round(weight * 10) / 10 };
}

/**
 * What is in the innermost parentheses around a caret.
 * @param {string} text @param {number} at
 * @returns {[number, number] | null}
 */
function enclosed(text, at) {
  let depth = 0;
  for (let i = at - 1; i >= 0; i -= 1) {
    if (text[i] === ")" && text[i - 1] !== "\\") depth += 1;
    if (text[i] !== "(" || text[i - 1] === "\\") continue;
    if (depth) {
      depth -= 1;
      continue;
    }
    const close = closing(text, i);
    if (close === null) return null;
    const weight = /:[+-]?\d*\.?\d+$/.exec(text.slice(i + 1, close));
    return [i + 1, close - (weight ? weight[0].length : 0)];
  }
  return null;
}

/** @param {string} text @param {number} open @returns {number | null} */
function closing(text, open) {
  let depth = 0;
  for (let i = open; i < text.length; i += 1) {
    if (text[i - 1] === "\\") continue;
    if (text[i] === "(") depth += 1;
    if (text[i] === ")" && --depth === 0) return i;
  }
  return null;
}

/** @param {string} text @param {number} at @returns {[number, number]} */
function wordAt(text, at) {
  let from = at;
  let to = at;
  while (from > 0 && !DELIMITERS.includes(text[from - 1])) from -= 1;
  while (to < text.length && !DELIMITERS.includes(text[to])) to += 1;
  return [from, to];
}

/** The number of a `<lora:name:0.8>` around a caret. @param {string} text @param {number} at */
function networkAt(text, at) {
  const open = text.lastIndexOf("<", at - 1);
  const close = text.indexOf(">", at);
  if (open < 0 || close < 0 || /[<>\n]/.test(text.slice(open + 1, close))) return null;
  const number = /:([+-]?\d*\.?\d+)$/.exec(text.slice(open + 1, close));
  return number ? { from: close - number[1].length, to: close } : null;
}

/** @param {string} text @param {{from: number, to: number}} where @param {number} by @returns {Edit} */
function changed(text, { from, to }, by) {
  const insert = said(Number(text.slice(from, to)) + by);
  return { from, to, insert, select: [from, from + insert.length] };
}

/**
 * Swaps what stands between commas at the caret with its neighbour.
 * @param {string} text @param {number} at @param {-1 | 1} by
 * @returns {Edit | null}
 */
export function moved(text, at, by) {
  const parts = between(text);
  const here = parts.findIndex(([, to]) => at <= to);
  const [first, second] = by < 0 ? [here - 1, here] : [here, here + 1];
  if (first < 0 || second >= parts.length || here < 0) return null;
  const [a, b] = [trimmed(text, parts[first]), trimmed(text, parts[second])];
  const [one, two] = [text.slice(...a), text.slice(...b)];
  const middle = text.slice(a[1], b[0]);
  const start = by < 0 ? a[0] : a[0] + two.length + middle.length;
  const length = by < 0 ? two.length : one.length;
  return { from: a[0], to: b[1], insert: two + middle + one, select: [start, start + length] };
}

/** Where what stands between the commas outside of parentheses begins and ends. @param {string} text */
function between(text) {
  /** @type {[number, number][]} */
  const parts = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i += 1) {
    if ("([<{".includes(text[i])) depth += 1;
    if (")]>}".includes(text[i])) depth = Math.max(0, depth - 1);
    if (text[i] === "," && !depth) {
      parts.push([from, i]);
      from = i + 1;
    }
  }
  parts.push([from, text.length]);
  return parts;
}

/** @param {string} text @param {[number, number]} part @returns {[number, number]} */
function trimmed(text, [from, to]) {
  while (from < to && /\s/.test(text[from])) from += 1;
  while (to > from && /\s/.test(text[to - 1])) to -= 1;
  return [from, to];
}
