// What is around each page: where one can go, what is filtered, how the stream is.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Filters, format, isFiltered, NO_FILTERS } from "../core/address.ts";
import { userName } from "../core/user.ts";
import { count, outcomeWord } from "../core/words.ts";
import type { ApiError } from "../shell/api.ts";
import { help, PLACES, togglePause } from "../shell/keys.ts";
import { leaveError, logOut } from "../shell/login.ts";
import * as store from "../shell/store.ts";
import { retry } from "../shell/stream.ts";
import { theme, turn } from "../shell/theme.ts";
import { Dialog, Failure } from "./common.tsx";

export function Frame({ children }: { children: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main" data-plain>
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href={format({ page: "flow", focus: "" }, store.kept())}>
          <Mark /> tiphys
        </a>
        <Navigation />
        <div class="status">
          <Place />
          <StreamState />
          <button type="button" aria-pressed={store.paused.value} onClick={togglePause} title="p">
            {store.paused.value
              ? `Go on${store.waitingEvents.value ? ` (${store.waitingEvents.value} wait)` : ""}`
              : "Pause"}
          </button>
          <button type="button" class="quiet" onClick={turn} title="Light or dark">
            {theme.value === "system" ? "Auto" : theme.value === "light" ? "Light" : "Dark"}
          </button>
          <button type="button" class="quiet" aria-label="Keys" onClick={() => (help.value = true)}>
            ?
          </button>
        </div>
        <Account />
      </header>
      <Troubles />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      {help.value ? <Help /> : null}
    </>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d="M3 5h5M3 10h5M3 15h5M8 5c5 0 2 5 7 5M8 10h9M8 15c5 0 2-5 7-5" />
    </svg>
  );
}

/** The place of the navigation that a page belongs to. */
const HOME: Record<string, string> = { event: "events", letter: "letters", object: "objects" };

function Navigation() {
  const { page } = store.address.value;
  const here = HOME[page] ?? page;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [here]);
  const dead = store.rates.value?.rows.reduce((sum, row) => sum + row.deadLetters, 0) ?? 0;
  return (
    <nav aria-label="Pages" ref={nav}>
      {Object.entries(PLACES).map(([key, place]) => (
        <a
          key={key}
          href={format(place.page, store.kept())}
          aria-current={place.page.page === here ? "page" : undefined}
          title={`g ${key}`}
        >
          {place.title}
          {place.page.page === "letters" && dead > 0 ? <span class="count"> {dead}</span> : null}
        </a>
      ))}
    </nav>
  );
}

function Place() {
  const { value } = store.session;
  return value ? (
    <span class="place" title={value.user ? `as ${value.user}` : "nobody is logged in"}>
      {value.place}
    </span>
  ) : null;
}

/** Who is logged in, where one logs in. */
function Account() {
  const { value } = store.session;
  return value?.mode === "cluster" ? (
    <div class="account">
      <span class="user" title={value.user ?? ""}>
        <span class="hidden">logged in as </span>
        {userName(value.user ?? "not known")}
      </span>
      <button type="button" onClick={() => void logOut()}>
        Log out
      </button>
    </div>
  ) : null;
}

const STREAM_WORDS = { lost: "reconnecting", refused: "not allowed", opening: "connecting", open: "live" };

function StreamState() {
  const state = store.stream.value;
  const isAway = store.bus.value?.ok === false;
  const isBad = state === "lost" || state === "refused" || isAway;
  const word = state === "open" && isAway ? "bus away" : STREAM_WORDS[state];
  return (
    <span class={`live ${isBad ? "bad" : state}`} role="status">
      <span class="dot" aria-hidden="true" />
      {store.paused.value && !isBad ? "paused" : word}
    </span>
  );
}

function Troubles() {
  const bus = store.bus.value;
  return (
    <>
      {store.sessionError.value ? (
        <Failure error={store.sessionError.value} retry={() => void store.readSession()} />
      ) : null}
      {leaveError.value ? <Failure error={leaveError.value} retry={() => void logOut()} /> : null}
      {store.streamError.value ? <Refused error={store.streamError.value} /> : null}
      {store.stream.value === "lost" ? (
        <div class="notice warn banner">
          <p>The stream is lost; what is shown may be old. It is opened again by itself.</p>
          <button type="button" onClick={retry}>
            Now
          </button>
        </div>
      ) : null}
      {bus && !bus.ok ? (
        <div class="notice bad banner" role="alert">
          <p>The event bus does not answer{bus.message ? `: ${bus.message}` : "."}</p>
        </div>
      ) : null}
    </>
  );
}

function Refused({ error }: { error: ApiError }) {
  return (
    <div class="notice warn banner">
      <p>What is new is not shown, as the stream is refused: {error.message}. It is asked for again once a minute.</p>
      <button type="button" onClick={retry}>
        Now
      </button>
    </div>
  );
}

/** The filters of lists; `fields` says which of them the page has. */
export function FilterBar({ fields, children }: { fields: (keyof Filters)[]; children?: ComponentChildren }) {
  const { filters } = store.address.value;
  const namespaces = [...new Set(store.objects.value.map((object) => object.namespace))].sort();
  const has = (field: keyof Filters) => fields.includes(field);
  return (
    <search class="filters">
      {has("namespace") ? <Choice name="namespace" label="Namespace" all="All namespaces" values={namespaces} /> : null}
      {has("sensor") ? <SensorFilter value={filters.sensor} namespace={filters.namespace} /> : null}
      {has("outcome") ? (
        <Choice
          name="outcome"
          label="Outcome"
          all="All outcomes"
          values={["fired", "waiting", "filtered", "deduplicated", "dead_lettered", "in_flight"]}
        />
      ) : null}
      {has("text") ? <TextFilter value={filters.text} /> : null}
      {filters.source && has("source") ? <span class="chip">source {filters.source}</span> : null}
      {isFiltered(filters) ? (
        <button type="button" class="quiet" onClick={() => store.filter(NO_FILTERS)}>
          Clear
        </button>
      ) : null}
      <span class="room" />
      {children}
    </search>
  );
}

function Choice(props: { name: "namespace" | "outcome"; label: string; all: string; values: string[] }) {
  const value = store.address.value.filters[props.name];
  const values = value && !props.values.includes(value) ? [value, ...props.values] : props.values;
  return (
    <select
      aria-label={props.label}
      value={value}
      onChange={(event) => store.filter({ [props.name]: event.currentTarget.value })}
    >
      <option value="">{props.all}</option>
      {values.map((value) => (
        <option key={value} value={value}>
          {props.name === "outcome" ? outcomeWord(value) : value}
        </option>
      ))}
    </select>
  );
}

function SensorFilter({ value, namespace }: { value: string; namespace: string }) {
  const [typed, setTyped] = useState<string | null>(null);
  const sensors = store.objects.value.filter(
    (object) => object.kind === "Sensor" && (!namespace || object.namespace === namespace),
  );
  const names = new Set(sensors.map((sensor) => sensor.name));
  const take = (text: string) => {
    setTyped(null);
    store.filter({ sensor: text.trim() });
  };
  return (
    <>
      <input
        type="text"
        aria-label="Sensor"
        placeholder="All Sensors"
        list="sensor-names"
        value={typed ?? value}
        onInput={(event) => {
          const text = event.currentTarget.value;
          if (text === "" || names.has(text)) {
            take(text);
          } else {
            setTyped(text);
          }
        }}
        onChange={(event) => take(event.currentTarget.value)}
      />
      <datalist id="sensor-names">
        {[...names].sort().map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

function TextFilter({ value }: { value: string }) {
  return (
    <input
      id="text-filter"
      type="search"
      aria-label="Text"
      placeholder="Text, /"
      value={value}
      onInput={(event) => store.filter({ text: event.currentTarget.value })}
      onKeyDown={(event) => {
        if (event.key === "Escape") {
          event.currentTarget.blur();
        }
      }}
    />
  );
}

/** The keys that a page has beside the common ones. */
const KEYS: [string, string][] = [
  ["j k", "next and previous in a list"],
  ["Enter", "open, or focus a card of the picture"],
  ["/", "to the text filter"],
  ["p", "stop the view, or go on"],
  ["Esc", "close, or leave the focus"],
  ["?", "these keys"],
];

function Help() {
  const places = Object.entries(PLACES).map(([key, { title }]): [string, string] => [`g ${key}`, title]);
  return (
    <Dialog title="Keys" onClose={() => (help.value = false)}>
      <dl class="keys">
        {[...places, ...KEYS].map(([key, text]) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <div class="buttons">
        <button type="button" onClick={() => (help.value = false)}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

/** The bar that says how many events wait. */
export function WaitingBar({ onShow }: { onShow: () => void }) {
  const waiting = store.waitingEvents.value;
  return waiting > 0 ? (
    <button type="button" class="waiting-bar" onClick={onShow}>
      {count(waiting, "new event")}
    </button>
  ) : null;
}
