// The keyboard.

import { find, mayCancel } from "./dom.js";
import { focusedRow, moveFocus } from "./table.js";

/** `on.body` returns the rows to move in, `on.open` gets an id, `on.cancel` an operation. */
export function bindKeys(on) {
  const actions = {
    "/": () => find("#filters [name=name]").focus(),
    "?": () => find("#help").showModal(),
    j: () => moveFocus(on.body(), true),
    k: () => moveFocus(on.body(), false),
    ArrowDown: () => moveFocus(on.body(), true),
    ArrowUp: () => moveFocus(on.body(), false),
    c: () => {
      const operation = focusedRow()?.operation;
      if (mayCancel && operation && !operation.hasEnded && !operation.cancelling) on.cancel(operation);
    },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || find("dialog[open]")) return;
    if (event.target.matches("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
}
