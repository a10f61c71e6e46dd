// The picture of the flow, alive.

import { useEffect, useState } from "preact/hooks";
import { format, query } from "../core/address.ts";
import type { Flow, FlowNode } from "../core/contract.ts";
import { rows } from "../core/feed.ts";
import { objectOf, ownerOf } from "../core/flow.ts";
import { count, health, rate, whole } from "../core/words.ts";
import { Chip, Empty, Failures, Loading, Section, Veiled } from "../parts/common.tsx";
import { FilterBar } from "../parts/frame.tsx";
import { Picture } from "../parts/picture.tsx";
import { type ApiError, asApiError, getText, isAbort } from "../shell/api.ts";
import * as store from "../shell/store.ts";
import { EventRow } from "./events.tsx";

/** So many events are in the ticker. */
const LAST = 4;

export function FlowPage({ focus }: { focus: string }) {
  const { namespace, sensor, text } = store.address.value.filters;
  const [markup, setMarkup] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isWhole, setWhole] = useState(true);
  const version = store.version.value;
  useEffect(() => {
    const controller = new AbortController();
    getText(`/api/flow.svg${query({ namespace, sensor })}`, controller.signal)
      .then((text) => {
        setMarkup(text);
        setError(null);
      })
      .catch((failure: unknown) => isAbort(failure) || setError(asApiError(failure)));
    return () => controller.abort();
  }, [namespace, sensor, version]);
  const node = store.flow.value?.nodes.find((node) => node.id === focus);
  return (
    <>
      <h1 class="hidden">Flow</h1>
      <FilterBar fields={["namespace", "sensor", "text"]}>
        <Figures />
        <button type="button" class="quiet" aria-pressed={!isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? "Full size" : "Fit"}
        </button>
      </FilterBar>
      <Failures errors={[error, store.objectsError.value, store.feedError.value]} retry={readAgain} />
      {markup === null && !error ? <Loading what="the picture" /> : null}
      <div class={node ? "flow with-side" : "flow"}>
        {markup === null ? null : (
          <Picture markup={markup} focus={focus} text={text} isWhole={isWhole} onFocus={store.focusCard} />
        )}
        {node && store.flow.value ? <Side node={node} flow={store.flow.value} /> : null}
      </div>
      <Ticker />
    </>
  );
}

function readAgain(): void {
  void store.readObjects();
  void store.readEvents();
}

function Figures() {
  const rates = store.rates.value;
  return rates ? (
    <span class="mute figures">
      {rate(rates.published)} events/s · {whole(rates.stored)} stored
    </span>
  ) : null;
}

function Ticker() {
  const list = rows(store.feed.value, store.address.value.filters);
  const events = list.flatMap((row) => (row.kind === "event" ? [row.event] : [])).slice(0, LAST);
  return (
    <Section
      title="Last events"
      class="ticker"
      aside={<a href={format({ page: "events" }, store.address.value.filters)}>all</a>}
    >
      {events.map((event) => (
        <EventRow key={event.number} event={event} />
      ))}
      {events.length === 0 ? <Empty>{store.feedError.value ? "Not known here." : "None yet."}</Empty> : null}
      {events.length > 0 ? <Veiled what="Values of events" /> : null}
    </Section>
  );
}

/** What is known of the card in focus, and where to go from there. */
function Side({ node, flow }: { node: FlowNode; flow: Flow }) {
  const owner = ownerOf(node);
  const object = objectOf(node, store.objects.value);
  const state = object ? health(object) : null;
  const filters = node.sensor ? { namespace: node.namespace, sensor: node.sensor } : sourceFilter(node, flow);
  return (
    <aside class="panel flow-side" aria-label="The card in focus">
      <header>
        <h2>{node.title}</h2>
        <button type="button" class="quiet" onClick={() => store.focusCard("")}>
          Close
        </button>
      </header>
      <p class="mute">
        {node.tag} · {node.detail}
      </p>
      {state ? <Chip tone={state.health}>{state.word}</Chip> : null}
      {object?.message ? <p>{object.message}</p> : null}
      {[...(object?.faults ?? []), ...(node.faults ?? [])].map((fault, at) => (
        <p key={at} class="bad-text">
          {fault}
        </p>
      ))}
      <TriggerFigures node={node} />
      <ul class="plain-list links">
        {owner && object ? (
          <li>
            <a
              href={format(
                { page: "object", kind: owner.kind, namespace: object.namespace, name: owner.name },
                store.kept(),
              )}
            >
              {owner.kind} {owner.name}
            </a>
          </li>
        ) : null}
        <li>
          <a href={format({ page: "events" }, filters)}>Its events</a>
        </li>
        {node.sensor ? (
          <li>
            <a href={format({ page: "letters" }, filters)}>Its dead letters</a>
          </li>
        ) : null}
      </ul>
    </aside>
  );
}

function sourceFilter(node: FlowNode, flow: Flow): { source?: string } {
  if (node.kind === "source") {
    return { source: node.title };
  }
  const from = flow.edges.find((edge) => edge.to === node.id)?.from;
  const source = flow.nodes.find((other) => other.id === from && other.kind === "source");
  return source ? { source: source.title } : {};
}

function TriggerFigures({ node }: { node: FlowNode }) {
  const rows = store.rates.value?.rows.filter(
    (row) =>
      row.namespace === node.namespace &&
      row.sensor === node.sensor &&
      (node.kind !== "trigger" || row.trigger === node.title),
  );
  if (!node.sensor || !rows || rows.length === 0) {
    return null;
  }
  return (
    <ul class="plain-list">
      {rows.map((row) => (
        <li key={row.consumer}>
          <b>{row.trigger}</b> {rate(row.rate)}/s, lag {whole(row.lag)}, {count(row.deadLetters, "dead letter")}
          {row.p95 === null ? "" : `, p95 ${row.p95.toFixed(1)} ms`}
        </li>
      ))}
    </ul>
  );
}
