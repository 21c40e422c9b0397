/** What happens on the server, as it happens: one stream for all the tabs of a browser. */

import * as api from "./api.js";
import { later } from "./dom.js";
import { forget, isFinal, jobs, learn } from "./jobs.js";
import { emit } from "./store.js";

const KINDS = /** @type {const} */ ([
  ...["queued", "started", "step", "preview", "picture", "done", "failed", "cancelled"],
  "deleted",
]);
const AGAIN = 1500; // ms until a stream that ended is opened again

const channel = "BroadcastChannel" in window ? new BroadcastChannel("kakusan") : null;
/** @type {EventSource | null} */
let source = null;
/** @type {(() => void) | null} */
let release = null;
/** @type {AbortController | null} */
let waiting = null;

export function begin() {
  channel?.addEventListener("message", ({ data }) => take(data));
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : join()));
  addEventListener("pagehide", leave);
  join();
}

/** The tab that holds the lock has the stream; a tab that is hidden gives it away. */
function join() {
  emit("back");
  if (source || waiting) return;
  if (!navigator.locks || !channel) return open();
  waiting = new AbortController();
  navigator.locks
    .request("kakusan-events", { signal: waiting.signal }, () => {
      waiting = null;
      if (document.hidden) return undefined;
      open();
      return new Promise((resolve) => (release = () => resolve(undefined)));
    })
    .catch(() => {});
}

function leave() {
  waiting?.abort();
  waiting = null;
  source?.close();
  source = null;
  release?.();
  release = null;
}

function open() {
  const mine = (source = new EventSource("/v1/events"));
  mine.addEventListener("open", () => {
    emit("reached", true);
    emit("back");
  });
  mine.addEventListener("error", () => {
    if (mine.readyState !== EventSource.CLOSED) return emit("reached", false);
    mine.close(); // an answer that is no stream, such as 401 or 503
    void api.list({ limit: 1 }).catch(({ status }) => {
      if (status === 401 && source === mine) source = null; // the page asks for the token
    });
    return void setTimeout(() => source === mine && open(), AGAIN);
  });
  for (const kind of KINDS) {
    mine.addEventListener(kind, (event) => {
      const told = { kind, ...JSON.parse(/** @type {MessageEvent} */ (event).data) };
      channel?.postMessage(told);
      take(told);
    });
  }
}

/** Others have another place when one has moved. */
const moved = later(300, () => emit("back"));

/** @param {any} told */
function take(told) {
  const id = told.job;
  const known = jobs.get(id);
  if (told.kind === "deleted") return forget(id);
  if (told.kind === "step" || told.kind === "preview") {
    if (!known) return fetched(id);
    if (isFinal(known)) return undefined;
    return learn({ ...known, ...shown(told), state: "running" });
  }
  if (told.kind === "queued" && known) moved();
  return fetched(id);
}

/** @param {any} told */
function shown(told) {
  if (told.kind === "preview") return { preview: told.image };
  return { step: told.step, steps: told.steps, eta: told.eta ?? null };
}

/** @type {Map<string, Promise<void>>} */
const asked = new Map();

/** Asks for a job once, however many things happen to it meanwhile. @param {string} id */
function fetched(id) {
  const before = asked.get(id) ?? Promise.resolve();
  const next = before
    .then(async () => {
      if (asked.get(id) !== next) return;
      learn(await api.job(id));
    })
    .catch((error) => {
      if (error.status === 404) forget(id);
    })
    .finally(() => {
      if (asked.get(id) === next) asked.delete(id);
    });
  asked.set(id, next);
}
