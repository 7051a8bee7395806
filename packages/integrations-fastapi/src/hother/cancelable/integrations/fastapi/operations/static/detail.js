// The drawer with all that is known of one operation.

import { get, pathOf } from "./api.js";
import { age, clock, duration, el, find, mayCancel, nameOf, setText, stateOf, whyOf } from "./dom.js";
import { ageOf } from "./model.js";
import { badge } from "./table.js";

const dialog = find("#detail");

export class Detail {
  id = null;
  #shown = null;
  #title = ""; // for one that is not known
  #family = "";

  /** `on.cancel` and `on.open` get an operation, `on.change` is called when another one, or none, is shown. */
  constructor(model, on) {
    this.model = model;
    this.on = on;
    dialog.addEventListener("close", () => {
      this.id = null;
      on.change();
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    find("#detail-cancel").addEventListener("click", () => this.#shown && on.cancel(this.#shown));
    if (!mayCancel) find("#detail-cancel").remove();
  }

  /** Show an operation, and ask the server for what is not known here. */
  async open(id) {
    this.id = id;
    this.#shown = null;
    this.#title = id;
    this.update();
    if (!dialog.open) dialog.showModal();
    this.on.change();
    if (this.model.get(id)) return;
    const answer = await get(pathOf({ id })).catch((error) => ({ error }));
    if (this.id !== id) return;
    if (answer.error) this.#title = `${id}: ${answer.error.message}`;
    else this.model.apply(answer);
    this.update();
  }

  /** Show what has become of it. */
  update() {
    if (this.id === null) return;
    const operation = this.model.get(this.id) ?? this.#shown;
    if (!operation) {
      setText(find("#detail-name"), this.#title);
      for (const id of ["state", "age", "body"]) find(`#detail-${id}`).replaceChildren();
      if (mayCancel) find("#detail-cancel").disabled = true;
      return;
    }
    setText(find("#detail-age"), operation.hasEnded ? `ran for ${duration(ageOf(operation))}` : `age ${age(ageOf(operation))}`);
    const family = this.#below(operation);
    if (operation === this.#shown && family === this.#family) return;
    this.#shown = operation;
    this.#family = family;
    setText(find("#detail-name"), nameOf(operation));
    find("#detail-state").replaceChildren(badge(stateOf(operation)));
    find("#detail-body").replaceChildren(
      section("Timeline", timeline(operation)),
      section("Facts", facts(operation)),
      ...this.#relatives(operation),
      ...(Object.keys(operation.metadata).length ? [section("Metadata", metadata(operation))] : []),
      ...(operation.stuck === null ? [] : [section("Where it sits", el("pre", {}, operation.stuck))]),
    );
    if (mayCancel) find("#detail-cancel").disabled = operation.hasEnded || operation.cancelling;
  }

  #below(operation) {
    return this.model.family(operation.id).map((each) => each.id + stateOf(each)).join();
  }

  #relatives(operation) {
    const parent = operation.parent_id === null ? null : (this.model.get(operation.parent_id) ?? { id: operation.parent_id });
    const below = this.model.family(operation.id).slice(0, 100);
    return [
      ...(parent ? [section("Within", this.#links([parent]))] : []),
      ...(below.length ? [section("Below", this.#links(below))] : []),
    ];
  }

  #links(operations) {
    return el("ul", { class: "links" }, ...operations.map((each) => {
      const link = el("button", { type: "button", class: "open" }, nameOf(each));
      link.addEventListener("click", () => this.open(each.id));
      return el("li", {}, ...(each.status ? [badge(stateOf(each))] : []), " ", link);
    }));
  }
}

function section(title, content) {
  return el("section", {}, el("h3", {}, title), content);
}

/** From asked to told to ended, with the time that each took. */
function timeline(operation) {
  const { cancel, hasEnded } = operation;
  const steps = [step("Started", operation.started, "")];
  if (cancel) {
    steps.push(step("Asked to stop", cancel.requested, [whyOf(operation), cancel.origin && `from ${cancel.origin}`]));
    steps.push(step("Told", cancel.delivered, [cancel.delivery_seconds !== null && `${duration(cancel.delivery_seconds)} after it was asked`]));
  }
  const told = cancel && cancel.unwind_seconds !== null && `${duration(cancel.unwind_seconds)} after it was told`;
  if (hasEnded) steps.push(step(`Ended: ${operation.status}`, operation.ended, [told, operation.error]));
  else if (cancel) steps.push(step("Ended", null, ["not yet: it still runs"]));
  return el("ol", { class: "timeline" }, ...steps);
}

function step(title, time, details) {
  const text = [].concat(details).filter(Boolean).join(", ");
  const when = time ? el("time", { datetime: time }, clock(time)) : el("span", { class: "pending" }, "–");
  return el("li", time ? {} : { class: "pending" }, el("b", {}, title), " ", when, ...(text ? [el("p", {}, text)] : []));
}

function facts(operation) {
  const { progress } = operation;
  const percent = progress && progress.percent !== null ? `${Math.floor(progress.percent)} %, ` : "";
  return list({
    Id: operation.id,
    Worker: operation.worker,
    Progress: progress ? `${percent}${progress.message} (${clock(progress.time)})` : "none reported",
    ...(operation.error ? { Error: operation.error } : {}),
  });
}

function metadata(operation) {
  const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  return list(Object.fromEntries(Object.entries(operation.metadata).map(([key, value]) => [key, asText(value)])));
}

function list(entries) {
  return el("dl", {}, ...Object.entries(entries).flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]));
}
