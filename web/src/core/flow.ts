// What the picture of the flow shows alive: rates on wires, lag and health on cards.

import type { Flow, FlowNode, Kind, ObjectRow, RateRow, Rates } from "./contract.ts";
import { type Health, health, rate, whole } from "./words.ts";

export interface CardState {
  /** Words at the edge of the card; none if there is nothing to say. */
  notes: { text: string; tone: "plain" | "warn" | "bad" | "paused" }[];
  health: Health;
}

export interface LiveFlow {
  cards: Map<string, CardState>;
  /** Events per second by `from to`. */
  wires: Map<string, number>;
}

/** The name of a wire in [`LiveFlow.wires`]. */
export const wire = (from: string, to: string) => `${from} ${to}`;

/** The books of a trigger, which may have a consumer for each of its dependencies. */
interface Books {
  rate: number;
  lag: number;
  dead: number;
}

/** Everything that is known of the cards and wires. */
export function live(
  flow: Flow,
  rates: Rates | null,
  objects: readonly ObjectRow[],
  bus: { namespace: string | null; bus: string | null } | null,
): LiveFlow {
  const nodes = new Map(flow.nodes.map((node) => [node.id, node]));
  const books = booksOf(rates?.rows ?? []);
  const speed = speeds(flow, nodes, rates, books, bus?.namespace ?? null);
  const wires = new Map<string, number>();
  for (const { from, to, kind } of flow.edges) {
    if (kind === "flow") {
      wires.set(wire(from, to), speed.get(carrier(nodes.get(from), nodes.get(to))) ?? 0);
    }
  }
  const owners = byOwner(objects);
  const cards = new Map(flow.nodes.map((node) => [node.id, card(node, books, owners)]));
  const ours = rates && busOf(flow, bus);
  if (rates && ours) {
    const text = `${rate(rates.published)}/s · ${whole(rates.stored)} stored`;
    cards.get(ours.id)?.notes.push({ text, tone: "plain" });
  }
  return { cards, wires };
}

/** The end of a wire that knows how much passes it. */
function carrier(from?: FlowNode, to?: FlowNode): string {
  const isKnown =
    to?.kind === "event" || to?.kind === "dependency" || to?.kind === "condition" || to?.kind === "trigger";
  return (isKnown ? to?.id : from?.id) ?? "";
}

function booksOf(rows: readonly RateRow[]): Map<string, Books> {
  const books = new Map<string, Books>();
  for (const { namespace, sensor, trigger, rate, lag, deadLetters } of rows) {
    const key = `${namespace}/${sensor}/${trigger}`;
    const known = books.get(key) ?? { rate: 0, lag: 0, dead: 0 };
    books.set(key, { rate: known.rate + rate, lag: known.lag + lag, dead: Math.max(known.dead, deadLetters) });
  }
  return books;
}

const triggerKey = (node: FlowNode) => `${node.namespace}/${node.sensor}/${node.title}`;

/** Events as `source/name`, by their ids. */
function namesOfEvents(flow: Flow, nodes: Map<string, FlowNode>): Map<string, string> {
  const names = new Map<string, string>();
  for (const { from, to } of flow.edges) {
    const [source, event] = [nodes.get(from), nodes.get(to)];
    if (source?.kind === "source" && event?.kind === "event") {
      names.set(to, `${source.title}/${event.title}`);
    }
  }
  return names;
}

/** Events per second that pass a node. */
function speeds(
  flow: Flow,
  nodes: Map<string, FlowNode>,
  rates: Rates | null,
  books: Map<string, Books>,
  namespace: string | null,
): Map<string, number> {
  const speed = new Map<string, number>();
  const published = new Map(rates?.events.map((event) => [`${event.source}/${event.name}`, event.rate]));
  const names = namesOfEvents(flow, nodes);
  const uses = new Map<string, number>();
  for (const name of names.values()) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  for (const [id, name] of names) {
    const space = nodes.get(id)?.namespace ?? "";
    // A name that several namespaces have says nothing of any of them, but of the one that was asked for.
    const isSure = uses.get(name) === 1 || (namespace !== null && namespace === space);
    speed.set(id, published.get(`${space}/${name}`) ?? (isSure ? published.get(name) : undefined) ?? 0);
  }
  for (const { event, dependency } of flow.routes ?? []) {
    speed.set(dependency, (speed.get(dependency) ?? 0) + (speed.get(event) ?? 0));
  }
  for (const node of flow.nodes) {
    if (node.kind === "trigger") {
      speed.set(node.id, books.get(triggerKey(node))?.rate ?? 0);
    }
  }
  for (const { from, to } of flow.edges) {
    if (nodes.get(from)?.kind === "condition") {
      speed.set(from, Math.max(speed.get(from) ?? 0, speed.get(to) ?? 0));
    }
  }
  return speed;
}

/** The card of the bus that the figures are of: the one that was named, or the only one. */
function busOf(flow: Flow, bus: { namespace: string | null; bus: string | null } | null): FlowNode | undefined {
  const buses = flow.nodes.filter((node) => node.kind === "bus");
  const isNamed = (node: FlowNode) =>
    bus?.bus === node.bus && (bus.namespace === null || node.namespace === "" || bus.namespace === node.namespace);
  const named = buses.filter(isNamed);
  const meant = named.length === 1 ? named : buses;
  return meant.length === 1 ? meant[0] : undefined;
}

function card(node: FlowNode, books: Map<string, Books>, owners: Map<string, ObjectRow>): CardState {
  const state: CardState = { notes: [], health: "unknown" };
  const owner = ownerOf(node);
  const object = owner && owners.get(`${owner.kind}/${node.namespace}/${owner.name}`);
  if (object) {
    const { health: now, word } = health(object);
    state.health = now;
    // Of a Sensor's cards only triggers have room for it.
    if (now !== "ok" && now !== "unknown" && (node.kind === "trigger" || owner.kind !== "Sensor")) {
      state.notes.push({ text: word, tone: now });
    }
  }
  const known = node.kind === "trigger" ? books.get(triggerKey(node)) : undefined;
  if (known && known.dead > 0) {
    state.notes.push({ text: `${whole(known.dead)} dead`, tone: "bad" });
  }
  if (known && known.lag > 0) {
    state.notes.push({ text: `lag ${whole(known.lag)}`, tone: known.lag > 100 ? "warn" : "plain" });
  }
  return state;
}

/** Objects by kind, namespace and name; also without a namespace, which a picture of files may not know. */
function byOwner(objects: readonly ObjectRow[]): Map<string, ObjectRow> {
  const owners = new Map<string, ObjectRow>();
  for (const object of objects) {
    owners.set(`${object.kind}/${object.namespace}/${object.name}`, object);
    owners.set(`${object.kind}//${object.name}`, object);
  }
  return owners;
}

/** The object that a card belongs to. */
export function objectOf(node: FlowNode, objects: readonly ObjectRow[]): ObjectRow | undefined {
  const owner = ownerOf(node);
  return owner ? byOwner(objects).get(`${owner.kind}/${node.namespace}/${owner.name}`) : undefined;
}

/** Kind and name of the object that a card belongs to, as far as the card says. */
export function ownerOf(node: FlowNode): { kind: Kind; name: string } | null {
  if (node.sensor) {
    return { kind: "Sensor", name: node.sensor };
  }
  if (node.kind === "bus") {
    return { kind: "EventBus", name: node.bus };
  }
  return node.kind === "source" ? { kind: "EventSource", name: node.title } : null;
}

/** How fast a dash moves: a class of the style sheet, or none. */
export function speedClass(rate: number): "" | "slow" | "steady" | "fast" {
  if (rate <= 0) {
    return "";
  }
  if (rate < 1) {
    return "slow";
  }
  return rate < 10 ? "steady" : "fast";
}

type Neighbours = Map<string, string[]>;

/** All nodes on the ways through a node. A bus joins everything: what is behind it is told by routes. */
export function around(flow: Flow, id: string): Set<string> {
  const buses = new Set(flow.nodes.filter((node) => node.kind === "bus").map((node) => node.id));
  const after: Neighbours = new Map();
  const before: Neighbours = new Map();
  const add = (from: string, to: string) => {
    after.set(from, [...(after.get(from) ?? []), to]);
    before.set(to, [...(before.get(to) ?? []), from]);
  };
  for (const { from, to } of flow.edges) {
    if (from === id || !buses.has(from)) {
      add(from, to);
    }
  }
  for (const { event, dependency } of flow.routes ?? []) {
    add(event, dependency);
  }
  const found = new Set([id]);
  for (const side of [after, before]) {
    walk(side, id, found);
  }
  for (const { from, to } of flow.edges) {
    if (buses.has(from) && found.has(to)) {
      found.add(from);
    }
  }
  return found;
}

function walk(neighbours: Neighbours, id: string, found: Set<string>): void {
  const seen = new Set([id]);
  const next = [id];
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    for (const far of neighbours.get(at) ?? []) {
      if (!seen.has(far)) {
        seen.add(far);
        found.add(far);
        next.push(far);
      }
    }
  }
}
