// Numbers at a glance: counts by state, rates of the last half hour, and the processes that take part.

import { get, serverNow } from "./api.js";
import { age, clock, el, find, setText } from "./dom.js";
import { MINUTES } from "./model.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 28;

/** Show how many operations stand how. */
export function showCounts(numbers, model) {
  const all = [...model.running.values()];
  const stopping = all.filter((each) => each.cancelling && !each.hasEnded).length;
  const stuck = all.filter((each) => each.stuck !== null && !each.hasEnded).length;
  const entries = [
    ...Object.entries(numbers.active_by_status).map(([status, count]) => ["active", status, count]),
    ["active", "stopping", stopping, "told to stop"],
    ["active", "stuck", stuck],
    ...Object.entries(numbers.ended_by_status).map(([status, count]) => ["ended", status, count]),
  ].filter(([, , count]) => count > 0);
  const list = find("#counts");
  while (list.children.length > entries.length) list.lastElementChild.remove();
  entries.forEach(([kind, status, count, text], index) => {
    const item = list.children[index] ?? list.appendChild(el("li", {}, el("b"), " ", el("span")));
    if (!item.querySelector("span")) item.replaceChildren(el("b"), " ", el("span"));
    Object.assign(item.dataset, { kind, status });
    setText(item.querySelector("b"), count.toLocaleString());
    setText(item.querySelector("span"), text ?? status);
  });
  return { running: numbers.active_operations, stopping, stuck };
}

/** Draw how many operations were started, finished and cancelled per minute. */
export function showRates(model) {
  const rates = model.rates();
  const most = Math.max(1, ...Object.values(rates).flat());
  for (const [kind, values] of Object.entries(rates)) {
    const item = find(`#rates [data-rate="${kind}"]`);
    const drawing = item.querySelector("svg") ?? item.insertBefore(newDrawing(), item.firstChild);
    const points = values.map((value, index) => `${index * 4},${(HEIGHT - 1 - (value / most) * (HEIGHT - 2)).toFixed(1)}`);
    const line = points.join(" ");
    if (drawing.firstChild.getAttribute("points") !== line) drawing.firstChild.setAttribute("points", line);
    const sum = values.reduce((a, b) => a + b, 0);
    setText(item.querySelector("b"), values.at(-1).toLocaleString());
    const since = new Date(Math.max(model.ratesSince, serverNow() - MINUTES * 60_000)).toISOString();
    item.title = `${kind}: ${values.at(-1)} in the last minute, ${sum} since ${clock(since)}`;
  }
}

function newDrawing() {
  const drawing = document.createElementNS(SVG, "svg");
  const size = { viewBox: `0 0 ${(MINUTES - 1) * 4} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(size)) drawing.setAttribute(key, value);
  drawing.append(document.createElementNS(SVG, "polyline"));
  return drawing;
}

/** Show the processes that take part. */
export async function showWorkers() {
  const { workers, backend } = await get("/workers");
  const body = find("#workers table").tBodies[0] ?? find("#workers table").createTBody();
  const since = (time) => age((serverNow() - Date.parse(time)) / 1000);
  body.replaceChildren(...workers.map((each) => el(
    "tr", { "data-id": each.id },
    el("td", {}, el("span", { class: "badge", "data-state": each.state }, each.state)),
    el("th", { scope: "row" }, each.id),
    el("td", {}, each.host),
    el("td", {}, String(each.pid)),
    el("td", {}, String(each.operations)),
    el("td", {}, since(each.started)),
    el("td", {}, `${since(each.heartbeat)} ago`),
    el("td", {}, each.loop_lag === null ? "–" : `${(each.loop_lag * 1000).toFixed(0)} ms`),
    el("td", {}, each.version),
  )));
  find("#workers table").hidden = workers.length === 0;
  const none = backend === "local" ? "There is no shared store: the page shows this process alone." : "No process is known.";
  setText(find("#no-workers"), workers.length ? "" : none);
}
