/** The jobs that the page knows of, and what is said of them. */

import { emit } from "./store.js";

/**
 * @typedef {{index: number, width: number, height: number, record: Record<string, any>}} Picture
 * @typedef {Object} Job
 * @property {string} id
 * @property {"queued" | "running" | "done" | "failed" | "cancelled"} state
 * @property {Record<string, any>} request
 * @property {Picture[]} pictures
 * @property {string[]} inputs
 * @property {number} step
 * @property {number} steps
 * @property {number | null} eta
 * @property {string | null} error
 * @property {number} position
 * @property {number} [priority]
 * @property {number} created
 * @property {number | null} [started] when it was last begun
 * @property {number | null} [finished]
 * @property {string} [preview]
 */

/** @type {Map<string, Job>} */
export const jobs = new Map();

/** @param {Job} job */
export const isFinal = (job) => ["done", "failed", "cancelled"].includes(job.state);

/** @type {Set<string>} the jobs that were deleted; none of their names is given again */
const gone = new Set();

/**
 * Takes what the server says of a job; what is only shown stays. An answer may arrive after what
 * happened since it was given: a job that has ended does not begin again, one that has begun does
 * not wait for it, and a deleted one does not come back.
 * @param {Job} job
 */
export function learn(job) {
  const before = jobs.get(job.id);
  if (gone.has(job.id) || (before && isOlder(job, before))) return;
  const preview = isFinal(job) ? undefined : (job.preview ?? before?.preview);
  const after = { ...before, ...job, preview };
  jobs.set(job.id, after);
  emit("job", { job: after, before });
}

/** Whether an answer was given before what is known of its job. @param {Job} job @param {Job} known */
function isOlder(job, known) {
  if (isFinal(known)) return !isFinal(job);
  return (job.started ?? 0) < (known.started ?? 0);
}

/** @param {string} id */
export function forget(id) {
  gone.add(id);
  if (jobs.delete(id)) emit("gone", { id });
}
