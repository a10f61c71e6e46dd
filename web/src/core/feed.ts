// The events that a tab knows: what the stream and the pages of `/api/events` bring, and what of it is shown.

import type { Filters } from "./address.ts";
import type { BusEvent, EventPage, Skipped } from "./contract.ts";
import { outcomeWord } from "./words.ts";

/** So many events are kept; older ones are asked for again when they are wanted. */
export const KEPT = 3000;

/** Holds from the first page on, which is not here yet. */
export const UNREAD = Number.MAX_SAFE_INTEGER;

export interface Feed {
  /** Newest first, each number once. */
  events: readonly BusEvent[];
  /** What the stream left out, newest first. */
  gaps: readonly Skipped[];
  /** Number of the newest event that is shown, while newer ones wait; null if all are shown. */
  held: number | null;
  /** Before which number older ones are, if there are any on the bus. */
  next: number | null;
  /** True if the last page had none, and there are older ones: whoever wants them says so. */
  isCut: boolean;
  /** True once the first page is here. */
  loaded: boolean;
}

export type Message =
  | { kind: "arrived"; events: readonly BusEvent[] }
  | { kind: "page"; page: EventPage; before?: number | undefined }
  | { kind: "skipped"; skipped: Skipped }
  | { kind: "filled"; gap: Skipped; events: readonly BusEvent[] }
  | { kind: "hold" }
  | { kind: "release" }
  | { kind: "clear" };

export type Row = { kind: "event"; event: BusEvent } | { kind: "gap"; gap: Skipped };

export const EMPTY: Feed = { events: [], gaps: [], held: null, next: null, isCut: false, loaded: false };

/** What a message makes of the feed. */
export function reduce(feed: Feed, message: Message): Feed {
  switch (message.kind) {
    case "arrived":
      return kept({ ...feed, events: merged(feed.events, message.events) });
    case "page":
      return paged(feed, message.page, message.before);
    case "skipped":
      return { ...feed, gaps: [message.skipped, ...feed.gaps].sort((a, b) => b.to - a.to) };
    case "filled":
      return {
        ...feed,
        events: merged(feed.events, message.events),
        gaps: feed.gaps.flatMap((gap) => (gap.to === message.gap.to ? rest(gap, message.events) : [gap])),
      };
    case "hold":
      return feed.held === null ? { ...feed, held: newest(feed) || (feed.loaded ? 0 : UNREAD) } : feed;
    case "release":
      return feed.held === null ? feed : kept({ ...feed, held: null });
    case "clear":
      return { ...EMPTY, held: feed.held === null ? null : UNREAD };
  }
}

/** The number up to which all is shown. */
function newest(feed: Feed): number {
  return Math.max(feed.events[0]?.number ?? 0, feed.gaps[0]?.to ?? 0);
}

/** With a page of `/api/events`: the newest ones, or those before a number. */
function paged(feed: Feed, page: EventPage, before: number | undefined): Feed {
  const events = merged(feed.events, page.events);
  const [newest, oldest] = [feed.events[0]?.number, page.events[page.events.length - 1]?.number];
  if (before !== undefined || newest === undefined || oldest === undefined) {
    return { ...feed, events, next: page.next, isCut: page.next !== null && page.events.length === 0, loaded: true };
  }
  // The newest ones, asked for once more: between them and those known may lie others.
  const gap = { from: newest + 1, to: oldest - 1, count: oldest - newest - 1 };
  const gaps = gap.count > 0 && page.next !== null ? [gap, ...feed.gaps] : feed.gaps;
  return { ...feed, events, gaps, loaded: true };
}

/** Both lists as one, newest first; of two with one number the later told counts. */
function merged(known: readonly BusEvent[], more: readonly BusEvent[]): readonly BusEvent[] {
  if (more.length === 0) {
    return known;
  }
  const fresh = new Map(more.map((event) => [event.number, event]));
  const old = known.filter((event) => !fresh.has(event.number));
  const added = [...fresh.values()].sort((a, b) => b.number - a.number);
  const newest = old[0]?.number ?? -1;
  const oldestAdded = added[added.length - 1]?.number ?? 0;
  if (oldestAdded > newest) {
    return [...added, ...old];
  }
  return [...added, ...old].sort((a, b) => b.number - a.number);
}

/** Without the oldest, if there are too many; nothing is taken away under a reader. */
function kept(feed: Feed): Feed {
  if (feed.events.length <= KEPT || feed.held !== null) {
    return feed;
  }
  const events = feed.events.slice(0, KEPT);
  return { ...feed, events, next: events[events.length - 1]?.number ?? null };
}

/** What of a gap is still open after the newest events of it have come. */
function rest(gap: Skipped, events: readonly BusEvent[]): Skipped[] {
  const oldest = events.reduce((oldest, event) => Math.min(oldest, event.number), Number.POSITIVE_INFINITY);
  if (!Number.isFinite(oldest) || oldest <= gap.from) {
    return [];
  }
  return [{ from: gap.from, to: oldest - 1, count: Math.max(1, gap.count - events.length) }];
}

/** The rows of the list. */
export function rows(feed: Feed, filters: Filters): Row[] {
  const isShown = (number: number) => feed.held === null || number <= feed.held;
  const rows: Row[] = [];
  const gaps = feed.gaps.filter((gap) => isShown(gap.to));
  let next = 0;
  for (const event of feed.events) {
    for (let gap = gaps[next]; gap && gap.to > event.number; gap = gaps[next]) {
      rows.push({ kind: "gap", gap });
      next += 1;
    }
    if (isShown(event.number) && matches(event, filters)) {
      rows.push({ kind: "event", event });
    }
  }
  rows.push(...gaps.slice(next).map((gap): Row => ({ kind: "gap", gap })));
  return rows;
}

/** How many events wait until the reader wants them. */
export function waiting(feed: Feed, filters: Filters): number {
  const { held } = feed;
  if (held === null) {
    return 0;
  }
  let count = 0;
  for (const event of feed.events) {
    if (event.number <= held) {
      break;
    }
    count += matches(event, filters) ? 1 : 0;
  }
  return count;
}

/** True if an event is one of those that the filters leave. */
export function matches(event: BusEvent, filters: Filters): boolean {
  const { namespace, sensor, outcome, source, text } = filters;
  if (source && event.source !== source) {
    return false;
  }
  if (namespace || sensor || outcome) {
    const isMeant = event.decisions.some(
      (decision) =>
        (!namespace || decision.namespace === namespace) &&
        (!sensor || decision.sensor === sensor) &&
        (!outcome || outcomeWord(decision.outcome) === outcomeWord(outcome)),
    );
    if (!isMeant) {
      return false;
    }
  }
  return !text || contains(event, text.toLowerCase());
}

function contains(event: BusEvent, text: string): boolean {
  const texts = [event.id, event.source, event.name, event.subject, event.type, event.summary ?? ""];
  return (
    texts.some((part) => part.toLowerCase().includes(text)) ||
    event.decisions.some((decision) => `${decision.sensor} ${decision.trigger}`.toLowerCase().includes(text))
  );
}

export interface SensorOutcome {
  namespace: string;
  sensor: string;
  /** In words. */
  outcome: string;
  /** The reasons of its triggers, or what they did. */
  reasons: string[];
}

/** From what is as it should be to what hurts. */
const WEIGHTS = ["deduplicated", "filtered", "waiting", "in-flight", "fired", "dead-lettered"];

/** What is not in the list hurts most: it failed in a way of its own. */
function weight(outcome: string): number {
  const at = WEIGHTS.indexOf(outcome);
  return at === -1 ? WEIGHTS.length : at;
}

/** One outcome a Sensor: the weightiest of its triggers'. */
export function outcomes(event: BusEvent): SensorOutcome[] {
  const sensors = new Map<string, SensorOutcome>();
  for (const { namespace, sensor, trigger, outcome: name, reason } of event.decisions) {
    const outcome = outcomeWord(name);
    const key = `${namespace}/${sensor}`;
    const known = sensors.get(key);
    const text = `${trigger}: ${outcome}${reason ? `, ${reason}` : ""}`;
    if (known === undefined) {
      sensors.set(key, { namespace, sensor, outcome, reasons: [text] });
      continue;
    }
    known.reasons.push(text);
    if (weight(outcome) > weight(known.outcome)) {
      known.outcome = outcome;
    }
  }
  return [...sensors.values()].sort((a, b) => weight(b.outcome) - weight(a.outcome));
}

/** The part of a long list that is on the screen, and some rows around it. */
export function range(count: number, height: number, top: number, room: number): { from: number; to: number } {
  const around = 6;
  const from = Math.max(0, Math.floor(top / height) - around);
  const to = Math.min(count, Math.ceil((top + room) / height) + around);
  return { from: Math.min(from, to), to };
}
