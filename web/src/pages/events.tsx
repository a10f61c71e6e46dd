// The events, newest first.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { format } from "../core/address.ts";
import type { BusEvent } from "../core/contract.ts";
import { outcomes, type Row, range, rows } from "../core/feed.ts";
import { count, whole } from "../core/words.ts";
import { Ago, Chip, Empty, Failure, isVeiled, Loading, OutcomeChip, Veiled } from "../parts/common.tsx";
import { FilterBar, WaitingBar } from "../parts/frame.tsx";
import * as store from "../shell/store.ts";

/** So many Sensors are named in a row. */
const NAMED = 3;

export function Events() {
  const { filters } = store.address.value;
  const feed = store.feed.value;
  const list = rows(feed, filters);
  const events = list.reduce((sum, row) => sum + (row.kind === "event" ? 1 : 0), 0);
  return (
    <>
      <h1 class="hidden">Events</h1>
      <FilterBar fields={["namespace", "sensor", "outcome", "text", "source"]}>
        <span class="mute figures">
          {count(events, "event")} shown
          {store.rates.value ? ` · ${whole(store.rates.value.stored)} stored` : ""}
        </span>
      </FilterBar>
      <Failure error={store.feedError.value} retry={() => void store.readEvents()} />
      {list.length > 0 ? <Veiled what="Values of events" /> : null}
      {feed.loaded || list.length > 0 || store.feedError.value ? null : <Loading what="events" />}
      {feed.loaded && list.length === 0 ? (
        <Empty>No event passes these filters{feed.next === null ? "" : ", of those that were looked at"}.</Empty>
      ) : null}
      {store.feedError.value && list.length === 0 ? null : <List rows={list} next={feed.isCut ? null : feed.next} />}
      {feed.isCut ? (
        <p class="empty">
          Events before number {feed.next} were not looked at: what passes these filters is rare.{" "}
          <button type="button" onClick={() => void store.readEvents(feed.next ?? undefined)}>
            Look further back
          </button>
        </p>
      ) : null}
    </>
  );
}

function List({ rows, next }: { rows: Row[]; next: number | null }) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, room: 800, height: 44 });
  const state = useRef({ pointer: false, focus: false });
  const measure = () => {
    const { current } = box;
    if (current) {
      const height = window.matchMedia("(max-width: 760px)").matches ? 78 : 44;
      setView({ top: current.scrollTop, room: current.clientHeight, height });
      settle();
    }
  };
  const settle = () => {
    const { pointer, focus } = state.current;
    store.isReading.value = pointer || focus || (box.current?.scrollTop ?? 0) > 0;
  };
  useLayoutEffect(() => {
    measure();
    window.addEventListener("resize", measure);
    return () => {
      window.removeEventListener("resize", measure);
      store.isReading.value = false;
    };
  }, []);
  const { from, to } = range(rows.length, view.height, view.top, view.room);
  useEffect(() => {
    if (next !== null && to > rows.length - 20) {
      const timer = setTimeout(() => void store.readEvents(next), 50);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [next, to, rows.length]);
  const enter = (key: "pointer" | "focus", is: boolean) => () => {
    state.current[key] = is;
    settle();
  };
  return (
    <div
      class="events"
      ref={box}
      onScroll={measure}
      onPointerEnter={enter("pointer", true)}
      onPointerLeave={enter("pointer", false)}
      onFocusIn={enter("focus", true)}
      onFocusOut={enter("focus", false)}
    >
      <WaitingBar
        onShow={() => {
          box.current?.scrollTo({ top: 0 });
          store.showWaiting();
        }}
      />
      <ol style={{ height: `${rows.length * view.height}px` }}>
        {rows.slice(from, to).map((row, at) => (
          <li
            key={row.kind === "event" ? row.event.number : `gap ${row.gap.to}`}
            style={{ transform: `translateY(${(from + at) * view.height}px)` }}
          >
            {row.kind === "event" ? <EventRow event={row.event} /> : <GapRow row={row} />}
          </li>
        ))}
      </ol>
    </div>
  );
}

function GapRow({ row }: { row: Row & { kind: "gap" } }) {
  return (
    <button type="button" class="gap" data-item onClick={() => void store.fill(row.gap)}>
      Up to {count(row.gap.count, "event")} came too quickly to be shown: read them
    </button>
  );
}

export function EventRow({ event }: { event: BusEvent }) {
  return (
    <a class="event-row" data-item href={format({ page: "event", number: event.number }, store.kept())}>
      <span class="number">{event.number}</span>
      <span class="age">
        <Ago time={event.storedAt} />
      </span>
      <span class="from">
        <b>{event.source || "?"}</b>
        <span class="mute"> / {event.name || event.subject}</span>
      </span>
      <span class="summary">
        {event.unreadable ? <span class="bad-text">cannot be read: {event.unreadable}</span> : event.summary}
        {!event.unreadable && isVeiled() ? <span class="mute">not shown</span> : null}
      </span>
      <Outcomes event={event} />
    </a>
  );
}

function Outcomes({ event }: { event: BusEvent }) {
  const all = outcomes(event);
  const left = all.slice(NAMED);
  return (
    <span class="outcomes">
      {event.replay === null ? null : <Chip tone="replay">replay of {event.replay}</Chip>}
      {all.slice(0, NAMED).map(({ namespace, sensor, outcome, reasons }) => (
        <OutcomeChip
          key={`${namespace}/${sensor}`}
          outcome={outcome}
          sensor={sensor}
          title={`${namespace}/${sensor}\n${reasons.join("\n")}`}
        />
      ))}
      {left.length > 0 ? <span class="mute">+{left.length}</span> : null}
      {all.length === 0 ? (
        <span class="mute" title={event.unanswered.join("\n")}>
          {event.unanswered.length > 0 || isVeiled() ? "not known here" : "no Sensor waits for it"}
        </span>
      ) : null}
    </span>
  );
}
