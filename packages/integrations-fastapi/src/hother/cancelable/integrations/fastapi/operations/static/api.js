// The server: its answers, and the stream of what happens.

import { page } from "./dom.js";

const TIMEOUT = 10_000;
const RETRY = 5_000;
const GRACE = 3_000; // for a stream that ends as planned, and is resumed at once
const LONGEST_SILENCE = 75_000; // a stream lasts 55 s; one that says nothing for longer is dead
const KINDS = [
  "started", "progress", "cancel_requested", "cancel_delivered", "stuck", "finished", "lost",
  "worker_up", "worker_left", "worker_lost",
];

/** How far the clock here is ahead of the server's, in milliseconds. */
let ahead = 0;
export const serverNow = () => Date.now() - ahead;

/** Ask the server, and return its answer. Throws an `Error` with the detail of the problem, its `status` and `problem`. */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(page.api + path, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
  } catch {
    throw Object.assign(new Error("the server does not answer"), { status: 0, problem: {} });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const text = answer.detail ?? `the server answers ${response.status}`;
    throw Object.assign(new Error(text), { status: response.status, problem: answer });
  }
  if (answer.as_of) ahead = Date.now() - Date.parse(answer.as_of);
  return answer;
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return ask(given.length ? `${path}?${new URLSearchParams(given)}` : path, { cache: "no-store" });
}

export function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Cancelable": "page" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

export const pathOf = (operation) => `/operations/${encodeURIComponent(operation.id)}`;

/** Follows what happens. It is closed while nobody looks: browsers allow six streams to a host, for all tabs. */
export class Live {
  #source = null;
  #timer = 0;
  #heard = 0;
  #isCutOff = false; // what other processes do is not known, and is listed anew when it is

  /** `on.event` gets each event, `on.anew` is called to list all anew, `on.state` tells "live", "stale" or "paused". */
  constructor(on) {
    this.on = on;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.pause() : this.start()));
    setInterval(() => this.#source && performance.now() - this.#heard > LONGEST_SILENCE && this.start(), RETRY);
  }

  start() {
    this.#close();
    const source = (this.#source = new EventSource(`${page.api}/events`));
    this.#heard = performance.now();
    const hear = (kind, use) =>
      source.addEventListener(kind, (message) => {
        this.#heard = performance.now();
        use(JSON.parse(message.data));
      });
    for (const kind of KINDS) hear(kind, (event) => this.on.event(event));
    hear("ready", ({ resumed }) => this.#begin(resumed && !this.#isCutOff));
    hear("reset", () => this.#begin(false));
    hear("degraded", () => this.#begin(false, true));
    source.onerror = () => this.#lose(source);
  }

  pause() {
    this.#close();
    this.on.state("paused");
  }

  #begin(resumed, isCutOff = false) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#isCutOff = isCutOff;
    if (!resumed) this.on.anew();
    this.on.state("live");
  }

  #lose(source) {
    if (source.readyState === EventSource.CLOSED) {
      this.on.state("stale");
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.start(), RETRY);
    } else {
      this.#timer ||= setTimeout(() => this.on.state("stale"), GRACE);
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#source?.close();
    this.#source = null;
  }
}
