// Dead letters: by what they have in common, replayed and dropped.

import { useState } from "preact/hooks";
import { format, isFiltered, query } from "../core/address.ts";
import type { Letter, LetterGroup } from "../core/contract.ts";
import { clock, count, whole } from "../core/words.ts";
import { action } from "../core/yaml.ts";
import { type Act, ActDialog } from "../parts/act.tsx";
import {
  Ago,
  Allowed,
  Chip,
  Code,
  Empty,
  Facts,
  Failure,
  isVeiled,
  Loading,
  Section,
  Veiled,
} from "../parts/common.tsx";
import { FilterBar } from "../parts/frame.tsx";
import { Tree } from "../parts/tree.tsx";
import { useGet } from "../shell/load.ts";
import * as store from "../shell/store.ts";

/** The letters that an act is about. */
type Which =
  | { numbers: number[] }
  | { group: Pick<LetterGroup, "namespace" | "sensor" | "trigger" | "reason" | "error"> }
  | { all: true };

function act(verb: "replay" | "drop", which: Which, letters: number, more: Record<string, unknown> = {}): Act {
  const title = `${verb === "replay" ? "Replay" : "Drop"} ${count(letters, "dead letter")}`;
  return { title, path: `/api/dead-letters/${verb}`, body: { ...which, ...more }, isFinal: verb === "drop" };
}

export function Letters() {
  const { filters } = store.address.value;
  const { namespace, sensor, text } = filters;
  const dead = store.rates.value?.rows.reduce((sum, row) => sum + row.deadLetters, 0);
  const path = `/api/dead-letters${query({ namespace, sensor, text })}`;
  const { data, error, reload } = useGet<{ groups: LetterGroup[]; total: number }>(path, dead);
  const [asked, setAsked] = useState<Act | null>(null);
  const ask = (verb: "replay" | "drop", which: Which, letters: number) => {
    const more = "all" in which ? { namespace, sensor, text } : {};
    setAsked(act(verb, which, letters, Object.fromEntries(Object.entries(more).filter(([, value]) => value))));
  };
  return (
    <>
      <h1 class="hidden">Dead letters</h1>
      <FilterBar fields={["namespace", "sensor", "text"]}>
        {data && data.total > 0 ? (
          <>
            <span class="mute figures">{count(data.total, "dead letter")}</span>
            <ActButtons letters={data.total} all onAsk={(verb) => ask(verb, { all: true }, data.total)} />
          </>
        ) : null}
      </FilterBar>
      <Failure error={error} retry={reload} />
      <Veiled what="Errors of triggers and values of events" />
      <Rights />
      {data || error ? null : <Loading what="dead letters" />}
      {data?.groups.length === 0 ? (
        <Empty>{isFiltered(filters) ? "No dead letter passes these filters." : "No dead letter. All is well."}</Empty>
      ) : null}
      <ul class="groups">
        {data?.groups.map((group) => (
          <Group key={JSON.stringify(groupOf(group))} group={group} onAsk={ask} />
        ))}
      </ul>
      {asked ? <ActDialog act={asked} onClose={() => setAsked(null)} onDone={reload} /> : null}
    </>
  );
}

/** In place of an error that may hold values of an event. */
function ErrorKept() {
  return <span class="mute">error not shown</span>;
}

/** Why buttons are missing, once a page. */
function Rights() {
  return (
    <>
      <Allowed right="replay" act="Replay">
        {null}
      </Allowed>
      <Allowed right="drop" act="Drop">
        {null}
      </Allowed>
    </>
  );
}

function ActButtons(props: { letters: number; all?: boolean; onAsk: (verb: "replay" | "drop") => void }) {
  const rights = store.session.value?.rights;
  const what = props.all ? " all" : props.letters > 1 ? ` ${whole(props.letters)}` : "";
  return (
    <span class="buttons">
      {rights?.replay ? (
        <button type="button" onClick={() => props.onAsk("replay")}>
          Replay{what} …
        </button>
      ) : null}
      {rights?.drop ? (
        <button type="button" class="quiet" onClick={() => props.onAsk("drop")}>
          Drop{what} …
        </button>
      ) : null}
    </span>
  );
}

const groupOf = ({ namespace, sensor, trigger, reason, error }: LetterGroup) => ({
  namespace,
  sensor,
  trigger,
  reason,
  error,
});

function Group(props: { group: LetterGroup; onAsk: (verb: "replay" | "drop", which: Which, letters: number) => void }) {
  const { group, onAsk } = props;
  const { namespace, sensor, trigger, reason, attempts, first, last } = group;
  const [isOpen, setOpen] = useState(false);
  return (
    <li class="panel group">
      <div class="group-head" data-item tabIndex={-1}>
        <span class="size" title={count(group.count, "dead letter")}>
          {whole(group.count)} ×
        </span>
        <div class="group-what">
          <p class="error-text">{group.error ?? <ErrorKept />}</p>
          <p class="mute">
            <a href={format({ page: "object", kind: "Sensor", namespace, name: sensor }, store.kept())}>
              {namespace}/{sensor}
            </a>{" "}
            · trigger {trigger} · <Chip tone="bad">{reason}</Chip> ·{" "}
            {attempts > 0 ? `${count(attempts, "attempt")} at most · ` : ""}
            {clock(first) === clock(last) ? null : (
              <>
                <Ago time={first} /> to{" "}
              </>
            )}
            <Ago time={last} />
          </p>
        </div>
        <span class="buttons">
          <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {isOpen ? "Close" : "Letters"}
          </button>
          <ActButtons letters={group.count} onAsk={(verb) => onAsk(verb, { group: groupOf(group) }, group.count)} />
        </span>
      </div>
      {isOpen ? <GroupLetters group={group} onAsk={onAsk} /> : null}
    </li>
  );
}

function GroupLetters(props: {
  group: LetterGroup;
  onAsk: (verb: "replay" | "drop", which: Which, letters: number) => void;
}) {
  const { namespace, sensor, trigger, reason, error: wanted } = props.group;
  const { text } = store.address.value.filters;
  const [after, setAfter] = useState<number | undefined>(undefined);
  const path = `/api/dead-letters/list${query({ namespace, sensor, text }, { trigger, reason, after, limit: 100 })}`;
  const { data, error, reload } = useGet<{ letters: Letter[] }>(path, props.group.count);
  const beginning = wanted?.replace(/…$/, "") ?? "";
  const letters = data?.letters.filter((letter) => (letter.error ?? "").startsWith(beginning)) ?? [];
  const last = data?.letters[data.letters.length - 1];
  return (
    <>
      <Failure error={error} retry={reload} />
      {data || error ? null : <Loading what="letters" />}
      <table class="letters">
        <thead>
          <tr>
            <th scope="col">Number</th>
            <th scope="col">Since</th>
            <th scope="col">Event</th>
            <th scope="col">Attempts</th>
            <th scope="col">
              <span class="hidden">Acts</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {letters.map((letter) => (
            <tr key={letter.number}>
              <td>
                <a data-item href={format({ page: "letter", number: letter.number }, store.kept())}>
                  {letter.number}
                </a>
              </td>
              <td>
                <Ago time={letter.deadLetteredAt} />
              </td>
              <td>
                <code>{letter.event?.id ?? "cannot be read"}</code>
              </td>
              <td>{letter.attempts}</td>
              <td>
                <ActButtons letters={1} onAsk={(verb) => props.onAsk(verb, { numbers: [letter.number] }, 1)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {data && data.letters.length >= 100 && last ? (
        <button type="button" class="quiet" onClick={() => setAfter(last.number)}>
          Next 100
        </button>
      ) : null}
    </>
  );
}

export function LetterPage({ number }: { number: number }) {
  const { data, error, reload } = useGet<Letter>(`/api/dead-letter?number=${number}`);
  const [asked, setAsked] = useState<Act | null>(null);
  const [state, setState] = useState<"here" | "done" | "gone">("here");
  const close = () => {
    setAsked(null);
    setState(state === "here" ? "here" : "gone");
  };
  const ask = (verb: "replay" | "drop") => setAsked(act(verb, { numbers: [number] }, 1));
  if (!data || state === "gone" || !store.knowsRights.value) {
    return (
      <>
        <h1>Dead letter {number}</h1>
        {state === "gone" ? <Empty>It is no dead letter any more.</Empty> : <Failure error={error} retry={reload} />}
        {error || state === "gone" ? null : <Loading what="the dead letter" />}
        <a href={format({ page: "letters" }, store.kept())}>All dead letters</a>
      </>
    );
  }
  return (
    <>
      <LetterView letter={data} onAsk={ask} />
      {asked ? <ActDialog act={asked} onClose={close} onDone={() => setState("done")} /> : null}
    </>
  );
}

function LetterView({ letter, onAsk }: { letter: Letter; onAsk: (verb: "replay" | "drop") => void }) {
  const { number, namespace, sensor } = letter;
  return (
    <>
      <header class="conclusion dead-lettered">
        <h1>
          <span class="mute">Dead letter {number}</span> {namespace}/{sensor} · {letter.trigger}
        </h1>
        <p class="sentence">{letter.error ?? <ErrorKept />}</p>
      </header>
      <div class="columns">
        <div class="wide">
          <ActButtons letters={1} onAsk={onAsk} />
          <Veiled what="Its error, its action and the values of its event" />
          <Rights />
          {isVeiled() ? null : <ActionOf letter={letter} />}
          {letter.text ? (
            <details class="panel plain">
              <summary>As `tiphys dlq show` prints it</summary>
              <Code text={letter.text} label="The answer of tiphys dlq show" />
            </details>
          ) : null}
        </div>
        <aside class="narrow" aria-label="About the dead letter">
          <LetterFacts letter={letter} />
          {isVeiled() ? null : (
            <Section title="Payload">
              {letter.payload === null ? <p class="mute">It has none.</p> : <Tree value={letter.payload} />}
            </Section>
          )}
        </aside>
      </div>
    </>
  );
}

function ActionOf({ letter }: { letter: Letter }) {
  if (letter.action === null) {
    return (
      <Section title="Action">
        <p class="mute">It is not known here: the trigger failed before it had one.</p>
      </Section>
    );
  }
  const { title, yaml } = action(letter.action);
  return (
    <Section title="Action that failed">
      <p>{title}</p>
      <Code text={yaml} label="The action" />
    </Section>
  );
}

function LetterFacts({ letter }: { letter: Letter }) {
  const { namespace, sensor, event } = letter;
  const sensorPage = format({ page: "object", kind: "Sensor", namespace, name: sensor }, store.kept());
  return (
    <Section title="Letter">
      <Facts
        rows={[
          [
            "reason",
            <Chip key="r" tone="bad">
              {letter.reason}
            </Chip>,
          ],
          ["attempts", String(letter.attempts)],
          [
            "since",
            <span key="s">
              {clock(letter.deadLetteredAt)} (<Ago time={letter.deadLetteredAt} />)
            </span>,
          ],
          ["sensor", <a key="n" href={sensorPage}>{`${namespace}/${sensor}`}</a>],
          ["event", event ? <EventLink key="e" id={event.id} /> : "cannot be read"],
          ["from", event ? `${event.source} / ${event.subject}` : "not known here"],
          ["subject", <code key="u">{letter.subject}</code>],
          ...(letter.mayBeDone ? [["note", "The action may be done all the same."] as [string, string]] : []),
        ]}
      />
    </Section>
  );
}

function EventLink({ id }: { id: string }) {
  return (
    <a href={format({ page: "events" }, { text: id })}>
      <code>{id}</code>
    </a>
  );
}
