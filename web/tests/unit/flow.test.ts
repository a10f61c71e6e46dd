import assert from "node:assert/strict";
import { test } from "node:test";
import type { Flow, FlowNode, ObjectRow, Rates } from "../../src/core/contract.ts";
import { around, live, objectOf, speedClass, wire } from "../../src/core/flow.ts";

const node = (id: string, kind: FlowNode["kind"], title: string, sensor?: string): FlowNode => ({
  id,
  kind,
  namespace: "harbour",
  bus: "default",
  tag: kind,
  title,
  detail: "",
  badges: [],
  isMissing: false,
  ...(sensor ? { sensor } : {}),
});

const edge = (from: string, to: string, kind = "flow") => ({ from, to, label: "", kind });

/** Two sources, each with a Sensor of its own, over one bus. */
const FLOW: Flow = {
  nodes: [
    node("source_a", "source", "a-es"),
    node("event_a", "event", "call"),
    node("source_b", "source", "b-es"),
    node("event_b", "event", "call"),
    node("bus", "bus", "default"),
    node("dep_a", "dependency", "d", "a-sn"),
    node("trigger_a", "trigger", "t", "a-sn"),
    node("dep_b", "dependency", "d", "b-sn"),
    node("trigger_b", "trigger", "t", "b-sn"),
  ],
  edges: [
    edge("source_a", "event_a"),
    edge("event_a", "bus"),
    edge("source_b", "event_b"),
    edge("event_b", "bus"),
    edge("bus", "dep_a"),
    edge("dep_a", "trigger_a"),
    edge("bus", "dep_b"),
    edge("dep_b", "trigger_b"),
    edge("trigger_b", "dep_a", "deadLetter"),
  ],
  routes: [
    { event: "event_a", dependency: "dep_a" },
    { event: "event_b", dependency: "dep_b" },
  ],
};

const RATES: Rates = {
  published: 5,
  stored: 1234,
  rows: [
    {
      ...{ namespace: "harbour", sensor: "a-sn", trigger: "t", consumer: "c" },
      ...{ rate: 1.5, lag: 7, inHand: 0, repeated: 0, deadLetters: 2, p95: null },
    },
  ],
  events: [
    { source: "a-es", name: "call", rate: 2, count: 9 },
    { source: "harbour/b-es", name: "call", rate: 3, count: 9 },
  ],
};

const OBJECT: ObjectRow = {
  ...{ kind: "Sensor", namespace: "harbour", name: "a-sn", ready: true, reason: null, message: null },
  ...{ paused: true, faults: [], triggers: ["t"], events: [] },
};

test("rates run along the wires that carry them", () => {
  const { wires } = live(FLOW, RATES, [], null);
  assert.equal(wires.get(wire("source_a", "event_a")), 2);
  assert.equal(wires.get(wire("event_b", "bus")), 3);
  assert.equal(wires.get(wire("bus", "dep_a")), 2);
  assert.equal(wires.get(wire("dep_a", "trigger_a")), 1.5);
  assert.equal(wires.get(wire("dep_b", "trigger_b")), 0);
  assert.equal(wires.has(wire("trigger_b", "dep_a")), false);
});

test("a rate that may be of another namespace is not shown", () => {
  const twins: Flow = {
    ...FLOW,
    nodes: [
      ...FLOW.nodes,
      { ...node("source_c", "source", "a-es"), namespace: "quay" },
      { ...node("event_c", "event", "call"), namespace: "quay" },
    ],
    edges: [...FLOW.edges, edge("source_c", "event_c")],
  };
  const rate = (namespace: string | null, from: string, to: string) =>
    live(twins, RATES, [], { namespace, bus: null }).wires.get(wire(from, to));
  assert.equal(rate(null, "source_a", "event_a"), 0);
  assert.equal(rate(null, "source_b", "event_b"), 3);
  assert.equal(rate("harbour", "source_a", "event_a"), 2);
  assert.equal(rate("harbour", "source_c", "event_c"), 0);
});

test("cards say what is paused, dead, behind, and how much the bus has", () => {
  const { cards } = live(FLOW, RATES, [OBJECT], null);
  const notes = cards.get("trigger_a")?.notes.map(({ text }) => text);
  assert.deepEqual(notes, ["paused", "2 dead", "lag 7"]);
  assert.equal(cards.get("trigger_a")?.health, "paused");
  assert.deepEqual(cards.get("bus")?.notes, [{ text: "5.0/s · 1,234 stored", tone: "plain" }]);
  assert.deepEqual(cards.get("trigger_b")?.notes, []);
});

test("of several buses only the one that is meant has figures", () => {
  const two: Flow = { ...FLOW, nodes: [...FLOW.nodes, { ...node("other", "bus", "other"), bus: "other" }] };
  assert.deepEqual(live(two, RATES, [], null).cards.get("bus")?.notes, []);
  assert.equal(live(two, RATES, [], { namespace: null, bus: "other" }).cards.get("other")?.notes.length, 1);
});

test("what is around a card goes through the bus by routes, not to all of it", () => {
  assert.deepEqual([...around(FLOW, "dep_b")].sort(), [
    "bus",
    "dep_a",
    "dep_b",
    "event_b",
    "source_b",
    "trigger_a",
    "trigger_b",
  ]);
  assert.deepEqual([...around(FLOW, "source_a")].sort(), ["bus", "dep_a", "event_a", "source_a", "trigger_a"]);
  assert.equal(around(FLOW, "bus").has("trigger_a"), true);
});

test("a card belongs to its object", () => {
  const dependency = FLOW.nodes.find(({ id }) => id === "dep_a");
  assert.ok(dependency);
  assert.equal(objectOf(dependency, [OBJECT])?.name, "a-sn");
  assert.equal(objectOf({ ...dependency, namespace: "quay" }, [OBJECT]), undefined);
});

test("there are three speeds, and none", () => {
  assert.deepEqual([0, 0.2, 1, 9, 10, 500].map(speedClass), ["", "slow", "steady", "steady", "fast", "fast"]);
});
