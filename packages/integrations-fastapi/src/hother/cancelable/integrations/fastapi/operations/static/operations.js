// Brings the page to life; without it, the page is a table with forms.

import { get, Live } from "./api.js";
import { cancelMatching, cancelOne, notice } from "./cancelling.js";
import { Detail } from "./detail.js";
import { find, mayCancel, page, setText } from "./dom.js";
import { bindKeys } from "./keys.js";
import { Model } from "./model.js";
import { showCounts, showRates, showWorkers } from "./overview.js";
import { endedRows, runningRows } from "./table.js";

const RENDER = 200; // at least so many milliseconds between two renderings
const COUNT = 1_000;
const COUNT_IDLE = 10_000;
const ANNOUNCE = 10_000;
const RETRY = 2_000;
const MOST_ENDED_SHOWN = 500;
const VIEWS = ["list", "tree", "ended", "workers"];
const STANDING = {
  ok: "Live, all processes.",
  degraded: "Live, this process alone: the shared store cannot be reached.",
  local: "Live, this process alone.",
};

const form = find("#filters");
const model = new Model();
const running = runningRows();
const ended = endedRows();
const query = new URLSearchParams(location.search);
const show = { view: VIEWS.includes(query.get("view")) ? query.get("view") : "list", newest: query.has("newest") };
const standing = { stream: "connecting", answers: true, since: null };
let backend = page.backend;
let isLoaded = false;
let isDirty = false;
let waiting = null; // events that arrive while all is listed anew
let summary = "";

/** Return what the form asks for. */
function filterOf() {
  const given = [...new FormData(form)].filter(([key, value]) => key !== "ended" && value.trim() !== "");
  return Object.fromEntries(given);
}

function keepInAddress() {
  const kept = new URLSearchParams(filterOf());
  if (show.view !== "list") kept.set("view", show.view);
  if (show.newest) kept.set("newest", "");
  if (form.elements.ended.value) kept.set("ended", form.elements.ended.value);
  if (detail.id !== null) kept.set("open", detail.id);
  history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
}

const detail = new Detail(model, { cancel: cancelOne, change: keepInAddress });

/** List all anew; events that arrive meanwhile come after it. */
async function loadAll() {
  const mine = (waiting = []);
  try {
    backend = await model.load(filterOf());
  } catch {
    if (mine === waiting) setTimeout(() => mine === waiting && loadAll(), RETRY);
    return setStanding({ answers: false });
  }
  if (mine !== waiting) return;
  waiting = null;
  for (const event of mine) model.apply(event);
  isLoaded = true;
  setStanding({ answers: true });
  countSoon(0);
  render();
}

function onEvent(event) {
  if (waiting) waiting.push(event);
  else model.apply(event);
  isDirty = true;
  countSoon(COUNT);
}

function onStream(stream) {
  setStanding({ stream });
  if (stream === "live") countSoon(0);
}

/** Say how far what is shown can be trusted: how the stream stands, and whether the server answers. */
function setStanding(change) {
  Object.assign(standing, change);
  const { stream, answers } = standing;
  const state = stream === "live" && !answers ? "stale" : stream === "live" && !isLoaded ? "connecting" : stream;
  const texts = { live: STANDING[backend], paused: "Paused while the tab is hidden.", connecting: "Connecting." };
  document.body.dataset.live = state;
  document.body.dataset.backend = backend;
  if (state !== "stale") standing.since = null;
  else standing.since ??= new Date().toLocaleTimeString();
  setText(find("#standing"), texts[state] ?? `Out of date since ${standing.since}: the server does not answer. Trying again.`);
}

let rendered = 0;

/** Bring what is shown in line with what is known. */
function render() {
  isDirty = false;
  rendered = performance.now();
  if (show.view === "ended") {
    const listed = model.listEnded(filterOf(), form.elements.ended.value);
    ended.show(listed.slice(0, MOST_ENDED_SHOWN).map((operation) => ({ operation, depth: 0 })));
    find("#no-ended").hidden = listed.length > 0;
    find("#older").hidden = model.older === null || listed.length >= MOST_ENDED_SHOWN;
  } else if (show.view !== "workers") {
    const listed = model.list(filterOf(), show.view === "tree", show.newest);
    running.show(listed);
    find("#empty").hidden = listed.length > 0;
    setText(find("#more"), model.partial ? "More operations run than are listed: filter to see others." : "");
    setText(find("#shown"), `${listed.length.toLocaleString()} shown`);
  }
  detail.update();
}

function onTick() {
  if (document.hidden || !isLoaded) return;
  if (!isCounting && performance.now() >= countAt) count();
  if (model.tidy()) isDirty = true;
  if (isDirty && performance.now() - rendered >= RENDER) render();
}

let countAt = Infinity;
let isCounting = false;

function countSoon(delay) {
  countAt = Math.min(countAt, performance.now() + delay);
}

/** Ask for the numbers; whether the answer comes tells whether the server is there. */
async function count() {
  isCounting = true;
  countAt = Infinity;
  try {
    const numbers = await get("/stats");
    backend = numbers.backend;
    const { running: all, stopping, stuck } = showCounts(numbers, model);
    if (summary === "") setTimeout(() => setText(find("#announce"), summary));
    summary = `${all} running, ${stopping} told to stop, ${stuck} stuck.`;
    showRates(model);
    if (show.view === "workers") await showWorkers();
    setStanding({ answers: true });
  } catch {
    setStanding({ answers: false });
  }
  isCounting = false;
  countSoon(standing.answers && show.view !== "workers" ? COUNT_IDLE : RETRY);
}

function setView(view) {
  show.view = view;
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll("#views button")) {
    button.setAttribute("aria-pressed", button.value === view);
  }
  find("#operations").hidden = view === "ended" || view === "workers";
  for (const id of ["more", "empty", "shown"]) find(`#${id}`).hidden = view === "ended" || view === "workers";
  find("#ended").hidden = view !== "ended";
  find("#workers").hidden = view !== "workers";
  setText(find("#operations caption"), view === "tree" ? "Operations that run, each above those within it" : "Operations that run");
  keepInAddress();
  if (isLoaded) render();
  if (view === "workers") countSoon(0);
}

function setOrder(isNewest) {
  show.newest = isNewest;
  find("#order").setAttribute("aria-pressed", isNewest);
  keepInAddress();
  if (isLoaded) render();
}

/** Show all, without loading the page anew. */
function showAll(event) {
  event.preventDefault();
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = false;
    else field.value = "";
  }
  onFilter();
}

let filtering = 0;

function onFilter() {
  keepInAddress();
  if (isLoaded) render();
  if (!model.partial) return;
  clearTimeout(filtering);
  filtering = setTimeout(loadAll, 300);
}

function onClick(event) {
  const button = event.target.closest("[data-do]");
  const row = event.target.closest("tr[data-id]");
  if (!row?.operation) return;
  if (button?.dataset.do === "cancel") cancelOne(row.operation);
  else if (button?.dataset.do === "open" || getSelection().isCollapsed) detail.open(row.dataset.id);
}

const THEMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  setText(find("#theme"), THEMES[theme]);
}

function keptTheme() {
  try {
    const kept = localStorage.getItem("cancelable-theme");
    return Object.hasOwn(THEMES, kept) ? kept : "auto";
  } catch {
    return "auto"; // storage may be switched off
  }
}

function nextTheme() {
  const names = Object.keys(THEMES);
  const theme = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  setTheme(theme);
  try {
    localStorage.setItem("cancelable-theme", theme);
  } catch {
    // it holds for this page then
  }
}

const live = new Live({ event: onEvent, anew: loadAll, state: onStream });

setTheme(keptTheme());
for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
if (!mayCancel) find("#cancel-matching").remove();
form.elements.ended.value = query.get("ended") ?? "";
form.addEventListener("input", onFilter);
form.querySelector("a").addEventListener("click", showAll);
form.addEventListener("submit", (event) => event.preventDefault());
for (const body of [running.body, ended.body]) body.addEventListener("click", onClick);
for (const button of document.querySelectorAll("#views button")) button.addEventListener("click", () => setView(button.value));
find("#order").addEventListener("click", () => setOrder(!show.newest));
find("#theme").addEventListener("click", nextTheme);
find("#keys").addEventListener("click", () => find("#help").showModal());
find("#cancel-matching")?.addEventListener("click", () => cancelMatching(filterOf()));
find("#older").addEventListener("click", () => model.loadOlder().then(render, (error) => notice(error.message, true)));
bindKeys({ body: () => (show.view === "ended" ? ended.body : running.body), cancel: cancelOne, open: (id) => detail.open(id) });
setView(show.view);
setOrder(show.newest);
setInterval(onTick, RENDER / 2);
setInterval(() => {
  if (document.hidden || !isLoaded) return;
  (show.view === "ended" ? ended : running).refresh();
  if (filterOf().min_age) isDirty = true;
  detail.update();
}, 1_000);
setInterval(() => setText(find("#announce"), summary), ANNOUNCE);
if (query.get("open")) detail.open(query.get("open"));
if (document.hidden) live.pause();
else live.start();
