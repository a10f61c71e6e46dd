// What all pages share: the address, the session, what the stream brings.

import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { type Address, type Filters, format, type Page, parse, query } from "../core/address.ts";
import type { BusState, EventPage, Flow, ObjectRow, Rates, Session, Skipped } from "../core/contract.ts";
import { EMPTY, type Feed, type Message, reduce, UNREAD, waiting } from "../core/feed.ts";
import { type ApiError, asApiError, get } from "./api.ts";

export const address = signal<Address>(parse(location.pathname, location.search));
export const session = signal<Session | null>(null);
/** Counts those for whom something was read: nothing of one is left for the next. */
export const person = signal(0);
export const sessionError = signal<ApiError | null>(null);
/** True once it is known what one may, or that it cannot be known. */
export const knowsRights = computed(() => session.value !== null || sessionError.value !== null);
export const objects = signal<readonly ObjectRow[]>([]);
export const objectsError = signal<ApiError | null>(null);
/** Counts changes of objects: what shows one reads it again. */
export const version = signal(0);
export const rates = signal<Rates | null>(null);
export const bus = signal<BusState | null>(null);
export const flow = signal<Flow | null>(null);
export const feed = signal<Feed>(EMPTY);
export const feedError = signal<ApiError | null>(null);
/** How the stream is: one that is lost comes back soon, one that is refused is asked for again later. */
export const stream = signal<"opening" | "open" | "lost" | "refused">("opening");
/** Why the stream is refused. */
export const streamError = signal<ApiError | null>(null);
/** True while the reader has stopped the view; the data go on. */
export const paused = signal(false);
/** True while the reader is in the list of events: nothing may move. */
export const isReading = signal(false);
/** The time that ages are told by; moves once a second. */
export const now = signal(Date.now());

export const waitingEvents = computed(() => waiting(feed.value, address.value.filters));

/** Takes a message into the feed. */
export function tell(message: Message): void {
  feed.value = reduce(feed.value, message);
}

/** Goes to a page; the filters stay unless others are given. */
export function go(page: Page, filters: Partial<Filters> = kept()): void {
  visit(format(page, filters));
}

/** The filters that stay from page to page. */
export function kept(): Partial<Filters> {
  const { namespace, sensor } = address.value.filters;
  return { namespace, sensor };
}

/** Goes to an address of ours. */
export function visit(href: string): void {
  if (href !== location.pathname + location.search) {
    history.pushState(null, "", href);
  }
  arrive();
  document.getElementById("main")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

/** Changes filters in place: no new entry of the history for each letter typed. */
export function filter(change: Partial<Filters>): void {
  const { filters, ...page } = address.value;
  history.replaceState(null, "", format(page as Page, { ...filters, ...change }));
  arrive();
}

/** Changes what is focused in the picture, in place. */
export function focusCard(focus: string): void {
  history.replaceState(null, "", format({ page: "flow", focus }, address.value.filters));
  arrive();
}

function arrive(): void {
  const before = address.value.filters;
  address.value = parse(location.pathname, location.search);
  if (query(before) !== query(address.value.filters)) {
    restart();
  }
}

window.addEventListener("popstate", arrive);

let reading: AbortController | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Reads the newest events anew, a moment later: filters are typed. */
function restart(): void {
  clearTimeout(timer);
  timer = setTimeout(() => {
    tell({ kind: "clear" });
    void readEvents();
  }, 150);
}

/** Reads the newest events, or those before a number. */
export async function readEvents(before?: number): Promise<void> {
  reading?.abort();
  reading = new AbortController();
  const { signal: aborted } = reading;
  const { filters } = address.value;
  try {
    const page = await get<EventPage>(`/api/events${query(filters, { before, limit: 100 })}`, aborted);
    batch(() => {
      feedError.value = null;
      tell({ kind: "page", page, before });
      if (before === undefined && feed.value.held === UNREAD) {
        tell({ kind: "release" });
        tell({ kind: "hold" });
      }
    });
  } catch (error) {
    if (!aborted.aborted) {
      feedError.value = asApiError(error);
    }
  }
}

/** Reads what the stream left out, newest first, a page of it. */
export async function fill(gap: Skipped): Promise<void> {
  try {
    const page = await get<EventPage>(`/api/events${query(address.value.filters, { before: gap.to + 1, limit: 200 })}`);
    const events = page.events.filter((event) => event.number >= gap.from);
    tell({ kind: "filled", gap, events });
  } catch (error) {
    feedError.value = asApiError(error);
  }
}

/** Reads the objects and the graph. */
export async function readObjects(): Promise<void> {
  try {
    const [list, graph] = await Promise.all([get<{ objects: ObjectRow[] }>("/api/objects"), get<Flow>("/api/flow")]);
    batch(() => {
      objects.value = list.objects;
      flow.value = graph;
      objectsError.value = null;
      version.value += 1;
    });
  } catch (error) {
    objectsError.value = asApiError(error);
  }
}

/** Reads who we are and what we may. */
export async function readSession(): Promise<void> {
  try {
    session.value = await get<Session>("/api/session");
    sessionError.value = null;
  } catch (error) {
    sessionError.value = asApiError(error);
  }
}

/** Forgets what was read for somebody. */
export function forget(): void {
  reading?.abort();
  batch(() => {
    person.value += 1;
    session.value = null;
    sessionError.value = null;
    objects.value = [];
    objectsError.value = null;
    rates.value = null;
    bus.value = null;
    flow.value = null;
    feedError.value = null;
    tell({ kind: "clear" });
  });
}

/** Shows what has waited; what comes later waits again, if the reader still reads. */
export function showWaiting(): void {
  batch(() => {
    tell({ kind: "release" });
    if (paused.value || isReading.value) {
      tell({ kind: "hold" });
    }
  });
}

effect(() => {
  const kind = paused.value || isReading.value ? "hold" : "release";
  untracked(() => tell({ kind }));
});
