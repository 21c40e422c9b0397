/** Where the page begins: who is there, what is there, and then all its parts. */

import * as adapters from "./adapters.js";
import * as api from "./api.js";
import * as carried from "./carried.js";
import { byId, dialog, fill, h, icon, announce } from "./dom.js";
import * as events from "./events.js";
import * as grid from "./grid.js";
import * as history from "./history.js";
import { LANGUAGES, language, speak, t } from "./i18n.js";
import * as intake from "./intake.js";
import { forget, isFinal, jobs, learn } from "./jobs.js";
import * as keys from "./keys.js";
import * as prompt from "./prompt.js";
import * as queue from "./queue.js";
import { link, takeLink } from "./link.js";
import * as reset from "./reset.js";
import * as settings from "./settings.js";
import * as stage from "./stage.js";
import * as start from "./start.js";
import * as summary from "./summary.js";
import { catalog, choose, emit, form, keep, on, recall } from "./store.js";
import { explained, refuse, resend, send } from "./submit.js";

const said = new URLSearchParams(location.hash.slice(1));
if (said.size) window.history.replaceState(null, "", location.pathname + location.search);

await speak();
tools();
await enter(said.get("token"));
for (const part of [prompt, settings, summary, start, adapters, carried]) part.begin();
for (const part of [stage, queue, history, intake, grid, keys, reset]) part.begin();
composer();
online();
let known = true;
on("stranger", () => {
  known = false;
  signIn();
});
on("back", () => void catchUp());
if (said.has("settings") && takeLink(said.get("settings") ?? "")) announce(t("used"));
// Where there is a keyboard, what is typed first is the prompt
if (matchMedia("(pointer: fine)").matches && document.activeElement === document.body)
  byId("prompt").focus({ preventScroll: true });
await stock();
if (known) {
  await resend();
  events.begin();
  emit("start");
}

/** Exchanges the token of the address for a cookie. @param {string | null} token */
async function enter(token) {
  if (token === null) return;
  try {
    await api.enter(token);
  } catch (error) {
    refuse(explained(/** @type {any} */ (error)));
  }
}

/** What there is to draw with. */
async function stock() {
  const kinds = /** @type {(keyof typeof catalog)[]} */ (Object.keys(catalog));
  await Promise.all(
    kinds.map(async (kind) => {
      catalog[kind] = await api.entries(kind).catch(() => catalog[kind]);
    }),
  );
  const { models } = catalog;
  const usual = models.find((each) => each.default) ?? models[0];
  if (usual && !models.some((each) => each.name === form.model)) choose(usual.name);
  emit("catalog");
}

/** Asks for all that is not finished, after anything may have been missed. */
async function catchUp() {
  try {
    const [active, latest] = await Promise.all([
      Promise.all(["running", "queued", "failed"].map((state) => api.list({ state, limit: 200 }))),
      api.list({ limit: 20 }),
    ]);
    const all = [...active.flatMap((each) => each.jobs), ...latest.jobs];
    for (const job of all) learn(job);
    const there = new Set(all.map((each) => each.id));
    for (const job of jobs.values()) {
      if (there.has(job.id) || (isFinal(job) && job.state !== "failed")) continue;
      await api.job(job.id).then(learn, (error) => error.status === 404 && forget(job.id));
    }
    if (!catalog.models.length) await stock();
  } catch {
    // the line at the top says that the server is away
  }
}

function composer() {
  byId("composer").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void send();
  });
  byId("share").addEventListener("click", async () => {
    const address = link();
    try {
      await navigator.clipboard.writeText(address);
      announce(t("share.copied"));
      byId("share").textContent = t("share.copied");
      setTimeout(() => (byId("share").textContent = t("share")), 2500);
    } catch {
      const text = h("input", { readonly: true, value: address, "aria-label": t("share") });
      dialog(
        t("share"),
        { class: "small", close: t("close") },
        h("div", { class: "inside" }, text),
      );
      text.select();
    }
  });
}

/** The language and the colours. */
function tools() {
  const languages = byId("language");
  fill(
    languages,
    Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code }, name)),
  );
  languages.value = language;
  languages.addEventListener("change", () => void speak(languages.value));
  const button = byId("theme");
  fill(button, icon("sun"));
  const themes = ["", "light", "dark"];
  const show = () => {
    const theme = recall("theme", "");
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.title = t(`theme.${theme || "system"}`);
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => {
    keep("theme", themes[(themes.indexOf(recall("theme", "")) + 1) % themes.length]);
    show();
    announce(button.title);
  });
  on("language", show);
  show();
}

/** Whether the server was reached the last time. */
function online() {
  let was = true;
  on("reached", (now) => {
    byId("offline").hidden = now;
    if (now && !was) {
      emit("online");
      void resend();
    }
    was = now;
  });
}

/** Asks for the token that the server printed. */
function signIn() {
  if (document.querySelector("dialog")) return;
  const input = h("input", { id: "token", type: "password", autocomplete: "current-password" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await api.enter(input.value.trim());
      shown.close();
      location.reload();
    } catch (error) {
      problem.textContent = explained(/** @type {any} */ (error));
      problem.hidden = false;
    }
  };
  const shown = dialog(
    t("token.title"),
    { class: "small", close: t("close") },
    h(
      "form",
      { class: "inside", on: { submit } },
      h("p", {}, t("token.text")),
      h("label", { for: "token" }, t("token")),
      input,
      problem,
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "submit", class: "main" }, t("token.enter")),
      ),
    ),
  );
  input.focus();
}
