// EventSources, EventBuses and Sensors: the list, and each by itself.

import { useState } from "preact/hooks";
import { format, type Page } from "../core/address.ts";
import type { Condition, Kind, ObjectDetail, ObjectRow, RateRow } from "../core/contract.ts";
import { count, health, rate, whole } from "../core/words.ts";
import { type Act, ActDialog } from "../parts/act.tsx";
import { Ago, Allowed, Chip, Code, Copy, Empty, Failure, Loading, Section } from "../parts/common.tsx";
import { FilterBar } from "../parts/frame.tsx";
import { useGet } from "../shell/load.ts";
import * as store from "../shell/store.ts";

const pageOf = ({ kind, namespace, name }: Pick<ObjectRow, "kind" | "namespace" | "name">): Page => ({
  page: "object",
  kind,
  namespace,
  name,
});

export function Objects() {
  const { namespace, sensor, text } = store.address.value.filters;
  const wanted = text.toLowerCase();
  const shown = store.objects.value.filter(
    (object) =>
      (!namespace || object.namespace === namespace) &&
      (!sensor || (object.kind === "Sensor" && object.name === sensor)) &&
      (!wanted || searched(object).includes(wanted)),
  );
  const books = booksOf(store.rates.value?.rows ?? []);
  return (
    <>
      <h1 class="hidden">Objects</h1>
      <FilterBar fields={["namespace", "sensor", "text"]}>
        <span class="mute figures">{count(shown.length, "object")}</span>
      </FilterBar>
      <Failure error={store.objectsError.value} retry={() => void store.readObjects()} />
      {shown.length === 0 && !store.objectsError.value ? <Empty>No object passes these filters.</Empty> : null}
      {(["EventSource", "EventBus", "Sensor"] as const).map((kind) => {
        const rows = shown.filter((object) => object.kind === kind);
        return rows.length > 0 ? <Table key={kind} kind={kind} rows={rows} books={books} /> : null;
      })}
    </>
  );
}

const searched = (object: ObjectRow) =>
  [object.kind, object.namespace, object.name, object.reason, object.message, ...object.faults].join(" ").toLowerCase();

const PLURALS: Record<Kind, string> = { EventSource: "EventSources", EventBus: "EventBuses", Sensor: "Sensors" };

interface Books {
  rate: number;
  lag: number;
  dead: number;
}

function booksOf(rows: readonly RateRow[]): Map<string, Books> {
  const books = new Map<string, Books>();
  for (const row of rows) {
    const key = `${row.namespace}/${row.sensor}`;
    const known = books.get(key) ?? { rate: 0, lag: 0, dead: 0 };
    books.set(key, { rate: known.rate + row.rate, lag: known.lag + row.lag, dead: known.dead + row.deadLetters });
  }
  return books;
}

/** A column's name; those of numbers stand at the right. */
type Column = string | { number: string; title?: string };

const COLUMNS: Record<Kind, Column[]> = {
  EventSource: ["Name", "State", "Events"],
  EventBus: ["Name", "State"],
  Sensor: ["Name", "State", { number: "Rate/s" }, { number: "Lag" }, { number: "Dead" }, "Triggers"],
};

const BOOKS: Column[] = [
  "Trigger",
  { number: "Rate/s" },
  { number: "Lag", title: "events still to be delivered" },
  { number: "In hand", title: "delivered and not acknowledged" },
  { number: "Repeated", title: "of those, delivered before" },
  { number: "Dead letters" },
  { number: "p95" },
  "Consumer",
];

const EVENTS: Column[] = ["Event", { number: "Rate/s" }, { number: "Count" }];

function Head({ columns }: { columns: Column[] }) {
  return (
    <thead>
      <tr>
        {columns.map((column) =>
          typeof column === "string" ? (
            <th key={column} scope="col">
              {column}
            </th>
          ) : (
            <th key={column.number} scope="col" class="number" title={column.title}>
              {column.number}
            </th>
          ),
        )}
      </tr>
    </thead>
  );
}

function Table({ kind, rows, books }: { kind: Kind; rows: ObjectRow[]; books: Map<string, Books> }) {
  return (
    <Section title={PLURALS[kind]} aside={<span class="mute">{whole(rows.length)}</span>}>
      <div class="scroll">
        <table>
          <Head columns={COLUMNS[kind]} />
          <tbody>
            {rows.map((object) => (
              <ObjectLine key={`${object.namespace}/${object.name}`} object={object} books={books} />
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function ObjectLine({ object, books }: { object: ObjectRow; books: Map<string, Books> }) {
  const known = books.get(`${object.namespace}/${object.name}`);
  const names = object.kind === "Sensor" ? object.triggers : object.events;
  return (
    <tr>
      <td>
        <a data-item href={format(pageOf(object), store.kept())}>
          <span class="mute">{object.namespace}/</span>
          {object.name}
        </a>
      </td>
      <td>
        <State object={object} />
      </td>
      {object.kind === "Sensor" ? (
        <>
          <td class="number">{known ? rate(known.rate) : "–"}</td>
          <td class="number">{known ? whole(known.lag) : "–"}</td>
          <td class={known && known.dead > 0 ? "number bad-text" : "number"}>{known ? whole(known.dead) : "–"}</td>
        </>
      ) : null}
      {object.kind === "EventBus" ? null : <td class="names mute">{names.join(", ")}</td>}
    </tr>
  );
}

function State({ object }: { object: ObjectRow }) {
  const state = health(object);
  return (
    <Chip tone={state.health} title={object.message ?? ""}>
      {state.word}
    </Chip>
  );
}

export function ObjectPage({ kind, namespace, name }: { kind: Kind; namespace: string; name: string }) {
  const search = new URLSearchParams({ kind, namespace, name });
  const { data, error, reload } = useGet<ObjectDetail>(`/api/object?${search}`, store.version.value);
  return (
    <>
      <header class={`conclusion ${data ? health(data).health : ""}`}>
        <h1>
          <span class="mute">{kind}</span> {namespace}/{name} {data ? <State object={data} /> : null}
        </h1>
        {data?.message ? <p class="sentence">{data.message}</p> : null}
      </header>
      <Failure error={error} retry={reload} />
      {data || error ? null : <Loading what="the object" />}
      {data ? <Details object={data} onChange={reload} /> : null}
    </>
  );
}

function Details({ object, onChange }: { object: ObjectDetail; onChange: () => void }) {
  const { kind, namespace, name } = object;
  const filters = kind === "Sensor" ? { namespace, sensor: name } : kind === "EventSource" ? { source: name } : {};
  return (
    <>
      <div class="buttons row">
        <a class="button" href={format({ page: "flow", focus: "" }, kind === "Sensor" ? filters : { namespace })}>
          In the flow
        </a>
        <a class="button" href={format({ page: "events" }, filters)}>
          Its events
        </a>
        {kind === "Sensor" ? (
          <a class="button" href={format({ page: "letters" }, filters)}>
            Its dead letters
          </a>
        ) : null}
        <Pause object={object} onChange={onChange} />
      </div>
      <Faults faults={object.faults} />
      {kind === "Sensor" ? <Consumers rows={freshest(object)} /> : null}
      {kind === "EventSource" ? <EventsOf object={object} /> : null}
      {kind === "EventBus" ? <BusFigures /> : null}
      {object.lines.length > 0 ? (
        <Section title="Progress">
          <ul class="plain-list">
            {object.lines.map((line, at) => (
              <li key={at}>{line}</li>
            ))}
          </ul>
        </Section>
      ) : null}
      <Conditions conditions={object.conditions} />
      <Section title="Manifest" aside={<Copy text={object.manifest} what="the manifest" />}>
        <Code text={object.manifest} label="The manifest" numbered />
      </Section>
    </>
  );
}

/** Its books as the stream has them; as they were read, until that comes. */
function freshest(object: ObjectDetail): RateRow[] {
  const { namespace, name } = object;
  const rows = store.rates.value?.rows.filter((row) => row.namespace === namespace && row.sensor === name);
  return rows && rows.length > 0 ? rows : object.consumers;
}

function Faults({ faults }: { faults: string[] }) {
  return faults.length > 0 ? (
    <div class="notice warn">
      {faults.map((fault, at) => (
        <p key={at}>
          <span aria-hidden="true">! </span>
          {fault}
        </p>
      ))}
    </div>
  ) : null;
}

function Pause({ object, onChange }: { object: ObjectDetail; onChange: () => void }) {
  const [act, setAct] = useState<Act | null>(null);
  const { kind, namespace, name, paused } = object;
  if (kind === "EventBus") {
    return null;
  }
  const verb = paused ? "resume" : "pause";
  const title = `${paused ? "Resume" : "Pause"} 1 ${kind}, ${namespace}/${name}`;
  return (
    <Allowed right="pause" act={paused ? "Resume" : "Pause"}>
      <button
        type="button"
        onClick={() => setAct({ title, path: `/api/objects/${verb}`, body: { kind, namespace, name } })}
      >
        {paused ? "Resume …" : "Pause …"}
      </button>
      {act ? <ActDialog act={act} onClose={() => setAct(null)} onDone={onChange} /> : null}
    </Allowed>
  );
}

function Consumers({ rows }: { rows: RateRow[] }) {
  return (
    <Section title="Books">
      {rows.length === 0 ? (
        <p class="mute">No consumer on the bus: its books are not known here.</p>
      ) : (
        <Books rows={rows} />
      )}
    </Section>
  );
}

function Books({ rows }: { rows: RateRow[] }) {
  return (
    <div class="scroll">
      <table>
        <Head columns={BOOKS} />
        <tbody>
          {rows.map((row) => (
            <tr key={row.consumer}>
              <td>{row.trigger ?? "not known here"}</td>
              <td class="number">{rate(row.rate)}</td>
              <td class="number">{whole(row.lag)}</td>
              <td class="number">{whole(row.inHand)}</td>
              <td class="number">{whole(row.repeated)}</td>
              <td class={row.deadLetters > 0 ? "number bad-text" : "number"}>{whole(row.deadLetters)}</td>
              <td class="number">{row.p95 === null ? "not known" : `${row.p95.toFixed(1)} ms`}</td>
              <td>
                <code>{row.consumer}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function EventsOf({ object }: { object: ObjectDetail }) {
  const rates = store.rates.value?.events.filter(
    ({ source }) => source === object.name || source === `${object.namespace}/${object.name}`,
  );
  return (
    <Section title="Events">
      <table>
        <Head columns={EVENTS} />
        <tbody>
          {object.events.map((name) => {
            const known = rates?.find((event) => event.name === name);
            return (
              <tr key={name}>
                <td>{name}</td>
                <td class="number">{known ? rate(known.rate) : "not known"}</td>
                <td class="number">{known ? whole(known.count) : "not known"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Section>
  );
}

function BusFigures() {
  const rates = store.rates.value;
  return (
    <Section title="Figures">
      {rates ? (
        <p>
          {rate(rates.published)} events a second published, {whole(rates.stored)} stored,{" "}
          {count(rates.rows.length, "consumer")}.
        </p>
      ) : (
        <p class="mute">Not known here yet.</p>
      )}
    </Section>
  );
}

function Conditions({ conditions }: { conditions: Condition[] }) {
  return (
    <Section title="Conditions">
      {conditions.length === 0 ? (
        <p class="mute">None: nobody has written a status, as for files.</p>
      ) : (
        <ul class="steps">
          {conditions.map((condition) => (
            <li key={condition.type} class={condition.status === "True" ? "passed" : "failed"}>
              <span class="sign" aria-hidden="true">
                {condition.status === "True" ? "✓" : condition.status === "False" ? "✗" : "?"}
              </span>
              <span class="what">
                <b>{condition.type}</b> {condition.status} {condition.reason ? <code>{condition.reason}</code> : null}
                {condition.message ? <span class="wanted">{condition.message}</span> : null}
              </span>
              <span class="mute">
                <Ago time={condition.since} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}
