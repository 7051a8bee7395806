// What is known of the operations: kept by id, filtered, and put in order.

import { get, serverNow } from "./api.js";

const MOST_LISTED = 5_000;
const MOST_ENDED = 2_000;
const PART = 500;
const LINGER = 4_000; // how long one that has ended stays in the list, in milliseconds
export const MINUTES = 30;

const ENDED = ["completed", "cancelled", "failed"];

export class Model {
  running = new Map(); // those that have just ended included
  ended = new Map(); // latest last
  partial = false; // whether more run than are listed
  older = null; // the cursor of what has ended before
  ratesSince = 0;
  #going = new Set();

  /** List all anew. Where more run than the page can hold, list those that match. */
  async load(filter) {
    const since = serverNow() - MINUTES * 60_000;
    const [first, history] = await Promise.all([
      get("/operations", { limit: PART }),
      get("/history", { limit: PART, since: new Date(since).toISOString() }),
    ]);
    const { operations, cursor } = await this.#rest(first, filter);
    this.running = new Map(operations.map((each) => [each.id, prepared(each)]));
    this.partial = cursor !== null;
    this.#going.clear();
    this.ended = new Map(history.operations.reverse().map((each) => [each.id, prepared(each)]));
    this.older = history.cursor;
    this.ratesSince = history.cursor === null ? since : [...this.ended.values()][0].endedAt;
    return first.backend;
  }

  /** Note what an event tells. */
  apply({ operation }) {
    if (!operation) return;
    prepared(operation);
    const isListed = this.running.has(operation.id);
    if (!operation.hasEnded) {
      this.#going.delete(operation.id);
      this.running.set(operation.id, operation);
      return;
    }
    this.ended.delete(operation.id);
    this.ended.set(operation.id, operation);
    this.#trim();
    if (!isListed) return;
    this.running.set(operation.id, operation);
    this.#going.add(operation.id);
    operation.goesAt = performance.now() + LINGER;
  }

  /** Let go of those that have ended a while ago. Tell whether there were any. */
  tidy() {
    const before = this.running.size;
    for (const id of this.#going) {
      if (this.running.get(id).goesAt > performance.now()) continue;
      this.running.delete(id);
      this.#going.delete(id);
    }
    return this.running.size !== before;
  }

  /** Load what has ended before. */
  async loadOlder() {
    const { operations, cursor } = await get("/history", { limit: 100, cursor: this.older });
    const older = operations.reverse().map((each) => [each.id, prepared(each)]);
    this.ended = new Map([...older, ...this.ended]);
    this.older = cursor;
  }

  get(id) {
    return this.running.get(id) ?? this.ended.get(id);
  }

  /** Return what runs and matches, as `{ operation, depth }`. */
  list(filter, asTree, newestFirst) {
    const matching = [...this.running.values()].filter((each) => matches(each, filter));
    const direction = newestFirst ? -1 : 1;
    const byAge = (a, b) => direction * (a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
    if (asTree) return this.#tree(matching, byAge);
    return matching.sort(byAge).map((operation) => ({ operation, depth: 0 }));
  }

  /** Return what has ended and matches, latest first. */
  listEnded(filter, status) {
    const isWanted = (each) => (!status || each.status === status) && matchesName(each, filter.name);
    return [...this.ended.values()].reverse().filter(isWanted);
  }

  /** Return how many were started, were cancelled, and ended otherwise, in each minute of the last half hour. */
  rates() {
    const now = serverNow();
    const zeros = () => new Array(MINUTES).fill(0);
    const rates = { started: zeros(), finished: zeros(), cancelled: zeros() };
    const count = (row, time) => {
      const index = MINUTES - 1 - Math.floor(Math.max(now - time, 0) / 60_000);
      if (index >= 0) row[index] += 1;
    };
    for (const each of this.running.values()) if (!each.hasEnded) count(rates.started, each.startedAt);
    for (const each of this.ended.values()) {
      count(rates.started, each.startedAt);
      count(each.status === "cancelled" ? rates.cancelled : rates.finished, each.endedAt);
    }
    return rates;
  }

  /** Return an operation and what is known below it. */
  family(id) {
    return [...this.running.values()].filter((each) => each.parent_id === id);
  }

  #tree(matching, byAge) {
    const shown = new Map();
    for (const operation of matching) {
      let each = operation;
      while (each && !shown.has(each.id)) {
        shown.set(each.id, each);
        each = this.running.get(each.parent_id);
      }
    }
    const below = Map.groupBy([...shown.values()].sort(byAge), (each) =>
      shown.has(each.parent_id) && each.parent_id !== each.id ? each.parent_id : null,
    );
    const listed = [];
    const waiting = (below.get(null) ?? []).map((operation) => ({ operation, depth: 0 })).reverse();
    while (waiting.length) {
      const node = waiting.pop();
      listed.push(node);
      const children = below.get(node.operation.id) ?? [];
      for (const operation of children.toReversed()) waiting.push({ operation, depth: node.depth + 1 });
    }
    return listed;
  }

  async #rest(first, filter) {
    const operations = [...first.operations];
    let { cursor } = first;
    while (cursor !== null && operations.length < MOST_LISTED) {
      const part = await get("/operations", { limit: PART, cursor });
      operations.push(...part.operations);
      cursor = part.cursor;
    }
    if (cursor === null || !Object.keys(filter).length) return { operations, cursor };
    const part = await get("/operations", { ...filter, limit: PART });
    return { operations: part.operations, cursor };
  }

  #trim() {
    if (this.ended.size <= MOST_ENDED) return;
    const [oldest] = this.ended.keys();
    this.ratesSince = Math.max(this.ratesSince, this.ended.get(oldest).endedAt);
    this.ended.delete(oldest);
    this.older = null;
  }
}

/** Return a time in milliseconds, with the microseconds that `Date` drops: many operations start within one of them. */
function timeOf(text) {
  const [, micros] = /\.\d{3}(\d{3})/.exec(text) ?? [];
  return Date.parse(text) + (micros ?? 0) / 1000;
}

/** Add to an operation what is asked for often. */
function prepared(operation) {
  operation.startedAt = operation.started ? timeOf(operation.started) : Infinity;
  operation.endedAt = operation.ended ? timeOf(operation.ended) : null;
  operation.hasEnded = ENDED.includes(operation.status);
  return operation;
}

/** Return how long an operation has run, or ran, in seconds. */
export function ageOf(operation) {
  if (operation.startedAt === Infinity) return 0;
  return Math.max((operation.endedAt ?? serverNow()) - operation.startedAt, 0) / 1000;
}

/** Tell whether an operation is meant, as the server would. One that has just ended is judged as it was. */
export function matches(operation, filter) {
  return (
    matchesName(operation, filter.name) &&
    (!filter.status || operation.hasEnded || operation.status === filter.status) &&
    (!filter.worker || operation.worker === filter.worker) &&
    (!filter.parent || operation.parent_id === filter.parent) &&
    (!filter.min_age || ageOf(operation) >= Number(filter.min_age)) &&
    (!filter.cancelling || operation.cancelling || (operation.hasEnded && operation.cancel !== null))
  );
}

function matchesName(operation, pattern) {
  if (!pattern) return true;
  const name = operation.name ?? "";
  return /[*?[]/.test(pattern) ? asExpression(pattern).test(name) : name.includes(pattern);
}

let known = { pattern: "", expression: null };

/** Return a pattern with `*`, `?` and `[…]` as an expression; the latest is kept. */
function asExpression(pattern) {
  if (known.pattern === pattern) return known.expression;
  const parts = pattern.match(/\*|\?|\[!?\]?[^\]]*\]|[^]/gu);
  const source = parts.map((part) => {
    if (part === "*") return "[^]*";
    if (part === "?") return "[^]";
    if (part.length > 2 && part.startsWith("[")) return characters(part);
    return part.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
  });
  let expression;
  try {
    expression = new RegExp(`^${source.join("")}$`, "u");
  } catch {
    expression = /(?!)/; // a range that runs backwards matches nothing
  }
  known = { pattern, expression };
  return expression;
}

function characters(part) {
  const inside = part.slice(1, -1);
  const isNegated = inside.startsWith("!");
  const text = (isNegated ? inside.slice(1) : inside).replace(/[\\^[\]]/gu, "\\$&");
  return `[${isNegated ? "^" : ""}${text}]`;
}
