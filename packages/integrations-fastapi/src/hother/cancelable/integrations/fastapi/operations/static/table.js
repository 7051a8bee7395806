// Tables whose rows are kept by id, and changed a few at a time so that the page stays awake.

import { age, clock, duration, el, find, mayCancel, nameOf, setText, stateOf, whyOf, wordsOf } from "./dom.js";
import { ageOf } from "./model.js";

const BUDGET = 8; // milliseconds of work for each frame
const DEEPEST = 12;
const STEP = 200; // rows; more of them follow when the last comes into sight

/** Rows in a body, one for each operation. `make` returns a row, `fill` changes it to what an operation is now. */
export class Rows {
  #rows = new Map();
  #wanted = [];
  #frame = 0;
  #seen = new Set();
  #most = STEP;
  #observer = new IntersectionObserver((entries) => this.#see(entries), { rootMargin: "400px" });

  constructor(body, make, fill) {
    this.body = body;
    this.make = make;
    this.fill = fill;
    this.served = [...body.children]; // what the server has rendered
    this.all = [];
  }

  /** Show these, in this order. */
  show(all) {
    this.all = all;
    const wanted = (this.#wanted = all.slice(0, this.#most));
    for (const row of this.served.splice(0)) row.remove();
    this.#remove(new Set(wanted.map(({ operation }) => operation.id)));
    cancelAnimationFrame(this.#frame);
    this.#continue(0, this.body.firstElementChild);
  }

  /** Fill the rows again that can be seen: they have become older. */
  refresh() {
    for (const row of this.#seen) if (row.operation) this.fill(row, row.operation, row.depth);
  }

  /** Note which rows can be seen; where the last one is among them, show more. */
  #see(entries) {
    for (const { target, isIntersecting } of entries) this.#seen[isIntersecting ? "add" : "delete"](target);
    if (this.all.length <= this.#most || !this.#seen.has(this.body.lastElementChild)) return;
    this.#most += STEP;
    this.show(this.all);
  }

  #remove(wanted) {
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      if (row.contains(document.activeElement)) (row.nextElementSibling ?? row.previousElementSibling)?.open.focus();
      this.#observer.unobserve(row);
      this.#seen.delete(row);
      this.#rows.delete(id);
      row.remove();
    }
  }

  #continue(index, next) {
    const deadline = performance.now() + BUDGET;
    for (; index < this.#wanted.length; index++) {
      if (performance.now() > deadline) {
        this.#frame = requestAnimationFrame(() => this.#continue(index, next?.isConnected === false ? null : next));
        return;
      }
      const { operation, depth } = this.#wanted[index];
      const row = this.#row(operation.id);
      if (row.operation !== operation || row.depth !== depth) {
        Object.assign(row, { operation, depth });
        this.fill(row, operation, depth);
      }
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
  }

  #row(id) {
    let row = this.#rows.get(id);
    if (!row) {
      row = this.make();
      row.setAttribute("role", "row");
      row.dataset.id = id;
      this.#rows.set(id, row);
      this.#observer.observe(row);
    }
    return row;
  }
}

/** Make the badge that tells how an operation stands. */
export function badge(state) {
  return el("span", { class: "badge", "data-state": state }, wordsOf(state));
}

function setBadge(element, state) {
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  setText(element, wordsOf(state));
}

function opener() {
  return el("button", { type: "button", class: "open", "data-do": "open" });
}

/** Return the rows of what runs. */
export function runningRows() {
  for (const part of document.querySelectorAll("#operations thead, #operations tbody")) part.setAttribute("role", "rowgroup");
  find("#operations").setAttribute("role", "table");
  find("#operations thead tr").setAttribute("role", "row");
  for (const head of document.querySelectorAll("#operations th")) head.setAttribute("role", "columnheader");
  return new Rows(find("#operations tbody"), makeRunning, fillRunning);
}

function makeRunning() {
  const row = find("#row").content.firstElementChild.cloneNode(true);
  row.cells_ = {};
  for (const cell of row.querySelectorAll("[data-cell]")) {
    cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
    row.cells_[cell.dataset.cell] = cell;
  }
  row.open = opener();
  row.badge = badge("pending");
  row.why = el("span", { class: "why" });
  row.told = el("span");
  row.bar = row.querySelector("progress");
  row.percent = row.cells_.progress.querySelector("span");
  row.cells_.name.replaceChildren(row.open);
  row.cells_.status.replaceChildren(row.badge);
  row.cells_.message.replaceChildren(row.why, row.told);
  row.cancel = el("button", { type: "button", class: "cancel", "data-do": "cancel" }, "Cancel");
  row.cells_.cancel.replaceChildren(...(mayCancel ? [row.cancel] : []));
  return row;
}

function fillRunning(row, operation, depth) {
  const { progress } = operation;
  const state = stateOf(operation);
  setBadge(row.badge, state);
  row.dataset.status = operation.status;
  row.dataset.cancelling = operation.cancelling;
  row.dataset.stuck = operation.stuck !== null;
  row.dataset.ended = operation.hasEnded;
  setText(row.open, nameOf(operation));
  row.open.style.marginInlineStart = `${Math.min(depth, DEEPEST) * 1.25}rem`;
  row.open.dataset.depth = depth;
  setText(row.cells_.age, age(ageOf(operation)));
  setProgress(row, operation.hasEnded && operation.status === "completed" ? 100 : (progress?.percent ?? null), operation);
  setText(row.cells_.worker, operation.worker);
  setText(row.why, whyOf(operation));
  setText(row.told, progress?.message ?? "");
  row.cells_.message.title = `${row.why.textContent} ${row.told.textContent}`.trim();
  row.cancel.disabled = operation.cancelling || operation.hasEnded;
  row.cancel.setAttribute("aria-label", `Cancel ${nameOf(operation)}`);
}

function setProgress(row, percent, operation) {
  if (percent === null && operation.status === "running") row.bar.removeAttribute("value");
  else if (row.bar.position < 0 || row.bar.value !== percent) row.bar.value = percent ?? 0;
  setText(row.percent, percent === null ? "" : `${Math.floor(percent)} %`);
}

/** Return the rows of what has ended. */
export function endedRows() {
  return new Rows(find("#ended table").createTBody(), makeEnded, fillEnded);
}

function makeEnded() {
  const row = el("tr");
  row.open = opener();
  row.badge = badge("pending");
  row.texts = Array.from({ length: 5 }, () => el("td"));
  row.append(el("td", {}, row.badge), el("th", { scope: "row" }, row.open), ...row.texts);
  row.texts[3].className = "why";
  return row;
}

function fillEnded(row, operation) {
  const { cancel } = operation;
  setBadge(row.badge, operation.status);
  setText(row.open, nameOf(operation));
  const texts = [
    clock(operation.ended),
    duration(ageOf(operation)),
    operation.worker,
    whyOf(operation),
    cancel ? `${duration(cancel.delivery_seconds)}, ${duration(cancel.unwind_seconds)}` : "",
  ];
  texts.forEach((text, index) => setText(row.texts[index], text));
}

/** Return the row of a table's body that has the focus, or was opened last. */
export function focusedRow() {
  return document.activeElement?.closest?.("tr[data-id]") ?? null;
}

/** Move the focus by a row. */
export function moveFocus(body, isDown) {
  const row = focusedRow();
  const next = row?.parentElement === body ? row[isDown ? "nextElementSibling" : "previousElementSibling"] : null;
  (next ?? row ?? body.firstElementChild)?.open.focus();
}

