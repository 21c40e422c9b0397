/** The axes of a grid: their values as they are typed, and what each cell asks for. */

export const KINDS = ["none", "steps", "guidance", "seed", "scheduler", "prompt", "strength"];

/** What a kind is called in a request. */
const NAMES = {
  steps: "num_inference_steps",
  guidance: "guidance_scale",
  seed: "seed",
  scheduler: "scheduler",
  strength: "strength",
};
const MOST = 100;

/**
 * @typedef {{key: string, [value: string]: string | number}} Problem
 * @typedef {{values: any[], labels: string[], problem?: Problem}} Axis
 */

/**
 * Reads the values of an axis.
 * @param {string} kind
 * @param {string} text "10, 20", a range "10-50 (+10)", or texts between commas
 * @param {string} prompt in which the first text of "prompt" is replaced
 * @returns {Axis}
 */
export function axis(kind, text, prompt) {
  if (kind === "none") return { values: [null], labels: [""] };
  const parts = separated(text);
  if (!parts.length) return wrong({ key: "axis.empty" });
  if (kind === "scheduler") return { values: parts, labels: parts };
  if (kind === "prompt") return replaced(parts, prompt);
  const values = parts.flatMap(numbers);
  const bad = values.find((each) => !Number.isFinite(each));
  if (bad !== undefined || values.length > MOST) return wrong({ key: "axis.bad", text });
  if (
    kind !== "guidance" &&
    kind !== "strength" &&
    values.some((each) => !Number.isInteger(each))
  ) {
    return wrong({ key: "axis.whole", text });
  }
  return { values, labels: values.map(String) };
}

/** @param {Problem} problem @returns {Axis} */
const wrong = (problem) => ({ values: [], labels: [], problem });

/** Texts between commas; one in quotation marks may hold commas. @param {string} text */
function separated(text) {
  const found = [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]+))\s*(?:,|$)/g)];
  return found
    .map(([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain ?? "").trim())
    .filter(Boolean);
}

/** One number, or those of a range "1-10 (+2)" or "1-10 [5]". @param {string} part @returns {number[]} */
function numbers(part) {
  const range = /^(-?[\d.]+)\s*-\s*(-?[\d.]+)(?:\s*\(\+?\s*([\d.]+)\)|\s*\[(\d+)\])?$/.exec(part);
  if (!range) return [part.trim() === "" ? NaN : Number(part)];
  const [from, to] = [Number(range[1]), Number(range[2])];
  const several = range[4] ? Number(range[4]) : null;
  const step = several ? (to - from) / Math.max(1, several - 1) : Number(range[3] ?? 1);
  if (!(step > 0) || to < from || (to - from) / step > MOST) return [NaN];
  const count = several ?? Math.floor((to - from) / step + 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => Math.round((from + i * step) * 1e4) / 1e4);
}

/** @param {string[]} parts @param {string} prompt @returns {Axis} */
function replaced(parts, prompt) {
  if (!prompt.includes(parts[0])) return wrong({ key: "axis.absent", text: parts[0] });
  return { values: parts.map((each) => [parts[0], each]), labels: parts };
}

/**
 * What each cell asks for, row by row.
 * @param {Record<string, any>} base
 * @param {Axis & {kind: string}} x
 * @param {Axis & {kind: string}} y
 */
export function cells(base, x, y) {
  return y.values.flatMap((down, row) =>
    x.values.map((across, column) => ({
      row,
      column,
      asked: put(put({ ...base }, y.kind, down), x.kind, across),
    })),
  );
}

/** @param {Record<string, any>} asked @param {string} kind @param {any} value */
function put(asked, kind, value) {
  if (kind === "none") return asked;
  if (kind !== "prompt") return { ...asked, [NAMES[/** @type {keyof NAMES} */ (kind)]]: value };
  return { ...asked, prompt: asked.prompt.replaceAll(value[0], value[1]) };
}
