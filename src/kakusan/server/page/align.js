/** Where in what was typed the words, weights and chunks are that the server read in it. */

/**
 * @typedef {{from: number, to: number, weight?: number, strange?: boolean, cut?: boolean,
 *   chunk?: boolean}} Span
 */

const FAR = 400; // characters of grammar that may stand between two that are read

/**
 * The stretches that weigh something else than 1.
 * @param {string} text
 * @param {[string, number][]} segments in the order of the text
 * @returns {Span[]}
 */
export function weighed(text, segments) {
  /** @type {Span[]} */
  const found = [];
  let at = 0;
  for (const [segment, weight] of segments) {
    if (segment === "BREAK" && weight === -1) continue;
    let from = -1;
    for (const character of segment.trim()) {
      const next = text.indexOf(character, at);
      if (next < 0 || next - at > FAR) break;
      if (from < 0) from = next;
      at = next + character.length;
    }
    if (from >= 0 && weight !== 1) found.push({ from, to: at, weight });
  }
  return found;
}

/**
 * Where each further chunk of tokens begins, and what has no room.
 * @param {string} text
 * @param {{text: string}[][]} chunks
 * @param {{text: string}[]} cut
 * @returns {Span[]}
 */
export function divided(text, chunks, cut) {
  const lower = text.toLowerCase();
  /** @type {Span[]} */
  const found = [];
  let at = 0;
  /** @param {string} token */
  const pass = (token) => {
    const next = token ? lower.indexOf(token.toLowerCase(), at) : -1;
    if (next < 0 || next - at > FAR) return -1;
    at = next + token.length;
    return next;
  };
  chunks.forEach((chunk, number) => {
    let first = -1;
    for (const token of chunk) {
      const where = pass(token.text);
      if (first < 0) first = where;
    }
    if (number && first >= 0) found.push({ from: first, to: first + 1, chunk: true });
  });
  const over = cut.map((token) => pass(token.text)).find((where) => where >= 0);
  if (over !== undefined) found.push({ from: over, to: text.length, cut: true });
  return found;
}

/**
 * Every place of the words that a model was never taught.
 * @param {string} text
 * @param {string[]} words
 * @returns {Span[]}
 */
export function strangers(text, words) {
  /** @type {Span[]} */
  const found = [];
  for (const word of words) {
    const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const whole = /^[\p{L}\p{N}]/u.test(word) && /^[\p{sc=Latn}\p{N}'-]+$/u.test(word);
    const edge = "[\\p{sc=Latn}\\p{N}]";
    const wanted = whole ? `(?<!${edge})${plain}(?!${edge})` : plain;
    for (const each of text.matchAll(new RegExp(wanted, "giu"))) {
      found.push({ from: each.index, to: each.index + each[0].length, strange: true });
    }
  }
  return found;
}

/**
 * The spans again after an edit: those before it stay, those behind it move along.
 * @param {Span[]} spans @param {string} before @param {string} after
 * @returns {Span[]}
 */
export function shifted(spans, before, after) {
  let same = 0;
  const shorter = Math.min(before.length, after.length);
  while (same < shorter && before[same] === after[same]) same += 1;
  let tail = 0;
  while (tail < shorter - same && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const by = after.length - before.length;
  return spans.flatMap((span) => {
    if (span.to <= same) return [span];
    if (span.from >= before.length - tail) {
      return [{ ...span, from: span.from + by, to: span.to + by }];
    }
    const wraps = span.from <= same && span.to >= before.length - tail;
    return wraps ? [{ ...span, to: span.to + by }] : [];
  });
}

/**
 * A text in pieces, each with what the spans say of all of it.
 * @param {string} text
 * @param {Span[]} spans
 */
export function pieces(text, spans) {
  const edges = new Set([0, text.length]);
  for (const { from, to } of spans) edges.add(from).add(Math.min(to, text.length));
  const sorted = [...edges].sort((a, b) => a - b);
  return sorted.slice(0, -1).map((from, i) => {
    const over = spans.filter((each) => each.from <= from && each.to >= sorted[i + 1]);
    return {
      text: text.slice(from, sorted[i + 1]),
      weight: over.find((each) => each.weight !== undefined)?.weight ?? 1,
      strange: over.some((each) => each.strange),
      cut: over.some((each) => each.cut),
      chunk: over.some((each) => each.chunk && each.from === from),
    };
  });
}
