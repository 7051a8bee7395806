// Small helpers: elements whose text is text, times as people read them, and how an operation stands.

export const page = document.body.dataset;
export const mayCancel = page.access === "all";
export const find = (selector) => document.querySelector(selector);

/** Return a new element. Strings among the children become text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/** Set a text only where it differs: most do not, and each change costs the browser work. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return a duration as text. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.00005) return "under 0.1 ms";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** Return an age as text that changes once a second at most. */
export function age(seconds) {
  return seconds < 60 ? `${Math.floor(Math.max(seconds, 0))} s` : duration(seconds);
}

/** Return the time of day, with the date where that is not today; `time` is RFC 3339. */
export function clock(time) {
  if (!time) return "";
  const moment = new Date(time);
  const isToday = moment.toDateString() === new Date().toDateString();
  return isToday ? moment.toLocaleTimeString() : moment.toLocaleString();
}

/** Return how an operation stands: its status, or what matters more. */
export function stateOf(operation) {
  if (operation.hasEnded) return operation.status;
  if (operation.stuck !== null) return "stuck";
  return operation.cancelling ? "stopping" : operation.status;
}

const WORDS = { stopping: "told to stop", stuck: "stuck" };

export const wordsOf = (state) => WORDS[state] ?? state;

/** Return why an operation was told to stop, or which error ended it; empty for most. */
export function whyOf(operation) {
  const { cancel, error } = operation;
  if (cancel === null) return error ?? "";
  return cancel.message ? `${cancel.reason}: ${cancel.message}` : cancel.reason;
}

export const nameOf = (operation) => operation.name || operation.id;
