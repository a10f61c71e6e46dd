import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_FILTERS } from "../../src/core/address.ts";
import type { BusEvent, Outcome } from "../../src/core/contract.ts";
import { EMPTY, type Feed, KEPT, matches, outcomes, range, reduce, rows, waiting } from "../../src/core/feed.ts";

const event = (number: number, more: Partial<BusEvent> = {}): BusEvent => ({
  number,
  storedAt: "2026-03-01T09:30:00Z",
  id: `id-${number}`,
  source: "ingress-es",
  name: "ingress",
  type: "resource",
  subject: "a.b",
  unreadable: null,
  replay: null,
  decisions: [],
  unanswered: [],
  ...more,
});

const arrived = (feed: Feed, ...numbers: number[]) =>
  reduce(feed, { kind: "arrived", events: numbers.map((number) => event(number)) });

const numbers = (feed: Feed) => feed.events.map((event) => event.number);

const shown = (feed: Feed) =>
  rows(feed, NO_FILTERS).map((row) => (row.kind === "event" ? row.event.number : `${row.gap.from}-${row.gap.to}`));

test("events are newest first, each once, in whatever order they come", () => {
  const feed = arrived(arrived(arrived(EMPTY, 2, 1), 4, 3), 3, 5);
  assert.deepEqual(numbers(feed), [5, 4, 3, 2, 1]);
});

test("an event that comes again takes the place of what was known", () => {
  const answered = event(1, { decisions: [decision("sn", "waiting")] });
  const feed = reduce(arrived(EMPTY, 2, 1), { kind: "arrived", events: [answered] });
  assert.deepEqual(numbers(feed), [2, 1]);
  assert.equal(feed.events[1]?.decisions.length, 1);
});

test("while one reads nothing moves, and new events are counted", () => {
  let feed = reduce(arrived(EMPTY, 2, 1), { kind: "hold" });
  feed = arrived(feed, 4, 3);
  assert.deepEqual(shown(feed), [2, 1]);
  assert.equal(waiting(feed, NO_FILTERS), 2);
  feed = reduce(feed, { kind: "release" });
  assert.deepEqual(shown(feed), [4, 3, 2, 1]);
  assert.equal(waiting(feed, NO_FILTERS), 0);
});

test("who holds before the first page is here sees it all the same", () => {
  const held = reduce(EMPTY, { kind: "hold" });
  const page = { events: [event(2), event(1)], first: 1, last: 2, next: null };
  const feed = reduce(held, { kind: "page", page });
  assert.equal(rows(feed, NO_FILTERS).length, 2);
  const none = reduce({ ...EMPTY, loaded: true }, { kind: "hold" });
  assert.equal(waiting(arrived(none, 1), NO_FILTERS), 1);
});

test("only events that pass the filters are counted as waiting", () => {
  let feed = reduce(arrived(EMPTY, 1), { kind: "hold" });
  feed = reduce(feed, { kind: "arrived", events: [event(2, { source: "other" }), event(3)] });
  assert.equal(waiting(feed, { ...NO_FILTERS, source: "other" }), 1);
});

test("a page of older events goes below, and says if there are more", () => {
  const page = { events: [event(3), event(2)], first: 1, last: 5, next: 2 };
  const feed = reduce(arrived(EMPTY, 5, 4), { kind: "page", page, before: 4 });
  assert.deepEqual(numbers(feed), [5, 4, 3, 2]);
  assert.equal(feed.next, 2);
  assert.equal(feed.loaded, true);
});

test("a page without events, where filters leave few, says from where one may look further", () => {
  const page = { events: [], first: 1, last: 50_000, next: 30_001 };
  const feed = reduce(EMPTY, { kind: "page", page });
  assert.equal(feed.isCut, true);
  assert.equal(feed.next, 30_001);
  const all = reduce(feed, { kind: "page", page: { ...page, events: [event(7)], next: null }, before: 30_001 });
  assert.equal(all.isCut, false);
  assert.deepEqual(numbers(all), [7]);
});

test("what lies between the events known and the newest, after the stream was lost, is a gap", () => {
  const page = { events: [event(20), event(19)], first: 1, last: 20, next: 19 };
  const feed = reduce(arrived(EMPTY, 5, 4), { kind: "page", page });
  assert.deepEqual(shown(feed), [20, 19, "6-18", 5, 4]);
  const joined = reduce(arrived(EMPTY, 18), { kind: "page", page });
  assert.deepEqual(shown(joined), [20, 19, 18]);
});

test("skipped events are a row at their place until they are read", () => {
  let feed = arrived(EMPTY, 9, 2);
  feed = reduce(feed, { kind: "skipped", skipped: { from: 3, to: 8, count: 6 } });
  assert.deepEqual(shown(feed), [9, "3-8", 2]);
  const gap = { from: 3, to: 8, count: 6 };
  feed = reduce(feed, { kind: "filled", gap, events: [event(8), event(7)] });
  assert.deepEqual(shown(feed), [9, 8, 7, "3-6", 2]);
  feed = reduce(feed, { kind: "filled", gap: { from: 3, to: 6, count: 4 }, events: [event(5), event(3)] });
  assert.deepEqual(shown(feed), [9, 8, 7, 5, 3, 2]);
});

test("a gap on top stays where it is when one begins to read", () => {
  const gap = { from: 3, to: 8, count: 6 };
  const feed = reduce(reduce(arrived(EMPTY, 2), { kind: "skipped", skipped: gap }), { kind: "hold" });
  assert.deepEqual(shown(feed), ["3-8", 2]);
});

test("so many events are kept, but none is taken from a reader", () => {
  const many = Array.from({ length: KEPT + 10 }, (_, at) => event(at));
  const held = reduce(reduce(EMPTY, { kind: "hold" }), { kind: "arrived", events: many });
  assert.equal(held.events.length, KEPT + 10);
  const feed = reduce(EMPTY, { kind: "arrived", events: many });
  assert.equal(feed.events.length, KEPT);
  assert.equal(feed.events[0]?.number, KEPT + 9);
  assert.equal(feed.next, 10);
});

function decision(sensor: string, outcome: Outcome, trigger = "t") {
  return { namespace: "harbour", sensor, trigger, outcome, reason: "" };
}

test("filters ask namespace, Sensor and outcome of one decision", () => {
  const two = event(1, { decisions: [decision("a", "fired"), decision("b", "filtered")], summary: "Name=Pier" });
  assert.equal(matches(two, { ...NO_FILTERS, sensor: "a", outcome: "fired" }), true);
  assert.equal(matches(two, { ...NO_FILTERS, sensor: "a", outcome: "filtered" }), false);
  const lost = event(2, { decisions: [decision("a", "dead_lettered")] });
  assert.equal(matches(lost, { ...NO_FILTERS, outcome: "dead-lettered" }), true);
  assert.equal(matches(two, { ...NO_FILTERS, namespace: "other" }), false);
  assert.equal(matches(two, { ...NO_FILTERS, text: "pier" }), true);
  assert.equal(matches(two, { ...NO_FILTERS, text: "quay" }), false);
});

test("a Sensor has the weightiest outcome of its triggers", () => {
  const many = event(1, {
    decisions: [decision("a", "filtered"), decision("b", "fired", "x"), decision("b", "dead_lettered", "y")],
  });
  const told = outcomes(many).map(({ sensor, outcome, reasons }) => [sensor, outcome, reasons.length]);
  assert.deepEqual(told, [
    ["b", "dead-lettered", 2],
    ["a", "filtered", 1],
  ]);
});

test("only the rows on the screen and some around it are drawn", () => {
  assert.deepEqual(range(1000, 40, 4000, 400), { from: 94, to: 116 });
  assert.deepEqual(range(3, 40, 0, 400), { from: 0, to: 3 });
  assert.deepEqual(range(3, 40, 9000, 400), { from: 3, to: 3 });
});
