// Asking why, and telling operations to stop.

import { pathOf, post } from "./api.js";
import { find, nameOf, setText } from "./dom.js";

const dialog = find("#cancel");
const form = find("#cancel form");
const SAID = {
  requested: "was told to stop; it is listed until it has ended",
  already_requested: "had been told to stop before",
  ended: "has ended",
};

/** Say what has become of something. */
export function notice(text, isError = false) {
  const element = find("#notice");
  element.classList.toggle("error", isError);
  setText(element, text);
}

let send = null;

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const action = send;
  send = null;
  if (!action) return;
  const given = new FormData(form);
  dialog.close();
  const message = given.get("message").trim();
  try {
    notice(await action({ reason: given.get("reason"), ...(message && { message }) }));
  } catch (error) {
    notice(`Not cancelled: ${error.message}.`, true);
  }
});
for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

function confirm(title, text, action) {
  setText(find("#cancel-title"), title);
  setText(find("#cancel-text"), text);
  form.elements.message.value = "";
  send = action;
  dialog.showModal();
  form.elements.message.focus();
}

/** Ask why one operation shall stop, and tell it. */
export function cancelOne(operation) {
  const name = nameOf(operation);
  confirm(`Cancel ${name}?`, "It is told to stop, and so is what runs below it.", async (why) => {
    const { state } = await post(`${pathOf(operation)}/cancel`, why);
    return `${name} ${SAID[state]}.`;
  });
}

/** Count what matches a filter, ask whether all of it shall stop, and tell it. */
export async function cancelMatching(given) {
  const filter = { ...given };
  if (filter.status) filter.status = [filter.status];
  if (filter.min_age) filter.min_age = Number(filter.min_age);
  if (filter.cancelling) filter.cancelling = true;
  let preview;
  try {
    preview = await post("/operations/cancel", { filter, dry_run: true });
  } catch (error) {
    return notice(`Not counted: ${error.message}.`, true);
  }
  const { count, limit } = preview;
  if (count === 0) return notice("No operation matches that was not told to stop already.");
  const which = Object.keys(filter).length ? "that match the filter" : "that run: there is no filter";
  const most = count > limit ? ` Only the oldest ${limit} are told at once.` : "";
  const title = `Cancel ${Math.min(count, limit)} ${count === 1 ? "operation" : "operations"}?`;
  confirm(title, `All ${which}, ${count} in number, are told to stop.${most}`, async (why) => {
    const { told, already } = await post("/operations/cancel", { ...why, filter, expected_count: count });
    const rest = already ? `, ${already} had been told or had ended before` : "";
    return `${told} ${told === 1 ? "operation was" : "operations were"} told to stop${rest}.`;
  });
}
