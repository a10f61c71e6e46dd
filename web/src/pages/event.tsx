// One event, and what became of it: each stage with what was seen and wanted.

import { useState } from "preact/hooks";
import { format } from "../core/address.ts";
import type { BusEvent, EventDetail, Report } from "../core/contract.ts";
import { clock, count, outcomeWord } from "../core/words.ts";
import { type Act, ActDialog } from "../parts/act.tsx";
import {
  Ago,
  Allowed,
  Code,
  Command,
  Copy,
  Dialog,
  Facts,
  Failure,
  isVeiled,
  Loading,
  OutcomeChip,
  Section,
  Veiled,
} from "../parts/common.tsx";
import { Stages } from "../parts/stages.tsx";
import { Tree } from "../parts/tree.tsx";
import { type ApiError, asApiError, post } from "../shell/api.ts";
import { useGet } from "../shell/load.ts";
import * as store from "../shell/store.ts";
import { Explain } from "./explain.tsx";

export function EventPage({ number }: { number: number }) {
  const { data, error, reload } = useGet<EventDetail>(`/api/event?number=${number}`, store.version.value);
  const [edited, setEdited] = useState<EventDetail | null>(null);
  const [isExplaining, setExplaining] = useState(false);
  if (!data || !store.knowsRights.value) {
    return (
      <>
        <h1>Event {number}</h1>
        <Failure error={error} retry={reload} />
        {error ? null : <Loading what="the event" />}
      </>
    );
  }
  if (isVeiled()) {
    return (
      <>
        <Head detail={data} isEdited={false} />
        <Failure error={error} retry={reload} />
        <div class="columns">
          <VeiledBody event={data.event} />
          <Side detail={data} />
        </div>
      </>
    );
  }
  const shown = edited ?? data;
  return (
    <>
      <Head detail={shown} isEdited={edited !== null} />
      <Failure error={error} retry={reload} />
      <div class="columns">
        <div class="wide">
          <div class="buttons">
            <button type="button" aria-expanded={isExplaining} onClick={() => setExplaining(!isExplaining)}>
              Explain with an edited Sensor
            </button>
            {edited ? (
              <button type="button" onClick={() => setEdited(null)}>
                Back to what happened
              </button>
            ) : null}
            <SendAgain event={data.event} />
            <SaveAsTest number={number} />
          </div>
          {isExplaining ? <Explain event={data} onAnswer={setEdited} /> : null}
          {shown.reports.map((report, at) => (
            <Stages key={at} report={report} />
          ))}
          {shown.reports.length === 0 ? <p class="empty">No Sensor's decision can be computed here.</p> : null}
          <details class="panel plain">
            <summary>As `tiphys why` prints it</summary>
            <Code text={shown.text} label="The answer of tiphys why" />
          </details>
        </div>
        <Side detail={shown} />
      </div>
    </>
  );
}

/** What is told of an event without its values: what each trigger did, but not why. */
function VeiledBody({ event }: { event: BusEvent }) {
  return (
    <div class="wide">
      <Veiled what="The values of the event, and reasons that could hold one," acts="Explain and Save as test" />
      <SendAgain event={event} />
      <Section title="Decisions">
        {event.decisions.length === 0 ? <p class="mute">None is known here.</p> : null}
        <ul class="steps">
          {event.decisions.map(({ namespace, sensor, trigger, outcome }) => (
            <li key={`${namespace}/${sensor}/${trigger}`}>
              <a href={format({ page: "object", kind: "Sensor", namespace, name: sensor }, store.kept())}>
                {namespace}/{sensor}
              </a>
              <span class="what">trigger {trigger}</span>
              <OutcomeChip outcome={outcomeWord(outcome)} />
            </li>
          ))}
        </ul>
      </Section>
    </div>
  );
}

function Head({ detail, isEdited }: { detail: EventDetail; isEdited: boolean }) {
  const { event, conclusion } = detail;
  return (
    <header class={`conclusion ${tone(detail, isEdited)}`}>
      <h1>
        <span class="mute">Event {event.number}</span> {event.source || "?"} / {event.name || event.subject}
      </h1>
      {isEdited ? <p class="chip tone-waiting">decided by the edited Sensor; nothing has changed anywhere</p> : null}
      {conclusion.length > 0 ? (
        conclusion.map((sentence, at) => (
          <p key={at} class="sentence">
            {sentence}
          </p>
        ))
      ) : (
        <p class="sentence mute">
          {isVeiled() && event.decisions.length > 0 ? summary(event) : "What became of it is not known here."}
        </p>
      )}
    </header>
  );
}

/** `2 triggers: fired, filtered` */
function summary({ decisions }: BusEvent): string {
  const words = new Set(decisions.map((decision) => outcomeWord(decision.outcome)));
  return `${count(decisions.length, "trigger")}: ${[...words].join(", ")}`;
}

/** What the page's first line is coloured by: the weightiest outcome. */
function tone({ event, reports }: EventDetail, isEdited: boolean): string {
  const decided = isEdited ? [] : event.decisions.map((decision) => decision.outcome);
  const names = [...decided, ...outcomesOf(reports)];
  const outcomes = new Set(names.map(outcomeWord));
  return ["dead-lettered", "fired", "waiting", "filtered", "deduplicated"].find((name) => outcomes.has(name)) ?? "";
}

const outcomesOf = (reports: Report[]) =>
  reports.flatMap((report) => report.sensors.flatMap((sensor) => sensor.triggers.map((trigger) => trigger.outcome)));

function Side({ detail }: { detail: EventDetail }) {
  const { event, data, commands, notes, progress, deadLetters } = detail;
  return (
    <aside class="narrow" aria-label="About the event">
      <Section title="Event">
        <Facts
          rows={[
            [
              "stored",
              <span key="s">
                {clock(event.storedAt)} (<Ago time={event.storedAt} />)
              </span>,
            ],
            ["id", <code key="i">{event.id || "not known here"}</code>],
            ["type", event.type || "not known here"],
            ["subject", <code key="u">{event.subject}</code>],
            ...(event.replay === null
              ? []
              : [["replays", <Letter key="r" number={event.replay} />] as [string, preact.ComponentChildren]]),
          ]}
        />
      </Section>
      {deadLetters.length > 0 ? (
        <Section title="Dead letters">
          <ul class="plain-list">
            {deadLetters.map((letter) => (
              <li key={letter.number}>
                <Letter number={letter.number} /> <Ago time={letter.at} />
                <div class="mute">{letter.line}</div>
              </li>
            ))}
          </ul>
        </Section>
      ) : null}
      {progress.length > 0 ? (
        <Section title="Progress">
          <Sentences sentences={progress} />
        </Section>
      ) : null}
      {notes.length > 0 ? (
        <Section title="What cannot be known">
          <Sentences sentences={notes} />
        </Section>
      ) : null}
      {isVeiled() ? null : (
        <Section
          title="Payload"
          aside={data === null ? null : <Copy text={JSON.stringify(data, null, 2)} what="the payload" />}
        >
          <Payload event={event} data={data} />
        </Section>
      )}
      <Section title="Commands">
        {commands.why ? <Command text={commands.why} what="the command" /> : null}
        {commands.simulate ? <Command text={commands.simulate} what="the command" /> : null}
      </Section>
    </aside>
  );
}

function Payload({ event, data }: { event: BusEvent; data: EventDetail["data"] }) {
  if (event.unreadable) {
    return <p class="bad-text">It cannot be read: {event.unreadable}</p>;
  }
  return data === null ? <p class="mute">It has none.</p> : <Tree value={data} />;
}

function Letter({ number }: { number: number }) {
  return <a href={format({ page: "letter", number }, store.kept())}>number {number}</a>;
}

function Sentences({ sentences }: { sentences: string[] }) {
  return (
    <ul class="plain-list">
      {sentences.map((sentence, at) => (
        <li key={at}>{sentence}</li>
      ))}
    </ul>
  );
}

function SendAgain({ event }: { event: BusEvent }) {
  const [act, setAct] = useState<Act | null>(null);
  const ask = () =>
    setAct({ title: "Send 1 event again", path: "/api/events/send-again", body: { number: event.number } });
  // What was delivered again to one trigger is no event of its own.
  if (event.replay !== null) {
    return null;
  }
  return (
    <Allowed right="send" act="Sending again">
      <button type="button" onClick={ask}>
        Send again …
      </button>
      {act ? <ActDialog act={act} onClose={() => setAct(null)} /> : null}
    </Allowed>
  );
}

/** The event as a file of `tiphys test`. */
function SaveAsTest({ number }: { number: number }) {
  const [file, setFile] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const make = async () => {
    try {
      setFile((await post<{ file: string }>("/api/events/test", { number })).file);
      setError(null);
    } catch (failure) {
      setError(asApiError(failure));
    }
  };
  return (
    <>
      <button type="button" onClick={make}>
        Save as test
      </button>
      <Failure error={error} />
      {file === null ? null : (
        <Dialog title="A test of this event" onClose={() => setFile(null)}>
          <p class="mute">
            Save it beside the manifests as <code>event-{number}.tiphys-test.yaml</code>; <code>tiphys test</code> finds
            it there.
          </p>
          <Code text={file} label="The test" />
          <div class="buttons">
            <Copy text={file} what="the test" />
            <button type="button" onClick={() => download(`event-${number}.tiphys-test.yaml`, file)}>
              Download
            </button>
            <button type="button" onClick={() => setFile(null)}>
              Close
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.dataset.plain = "";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
