// New manifests, and what they would change over the last events.

import { useRef, useState } from "preact/hooks";
import type { Change, CompareAnswer, Difference } from "../core/contract.ts";
import { count, whole } from "../core/words.ts";
import { brief } from "../core/yaml.ts";
import { Allowed, Chip, Code, Empty, Failure, Section } from "../parts/common.tsx";
import { Editor } from "../parts/editor.tsx";
import { type ApiError, asApiError, isAbort, post } from "../shell/api.ts";

const TONES: Record<string, string> = { mended: "ok", fails: "bad" };

export function Compare() {
  const [manifests, setManifests] = useState("");
  const [since, setSince] = useState("24h");
  const [limit, setLimit] = useState(1000);
  const [answer, setAnswer] = useState<CompareAnswer | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isBusy, setBusy] = useState(false);
  const asking = useRef<AbortController | null>(null);
  const compare = async () => {
    asking.current?.abort();
    const controller = new AbortController();
    asking.current = controller;
    setBusy(true);
    try {
      const body = { manifests, since: since || null, limit };
      setAnswer(await post<CompareAnswer>("/api/compare", body, controller.signal));
      setError(null);
    } catch (failure) {
      if (isAbort(failure)) {
        return;
      }
      setError(asApiError(failure));
    }
    setBusy(false);
  };
  return (
    <>
      <h1 class="hidden">Compare</h1>
      <Allowed right="payload" act="Compare">
        <div class="two">
          <section class="column">
            <header>
              <h2>New manifests</h2>
              <span class="mute">compared with those of now; nothing is changed</span>
            </header>
            <Editor
              label="New manifests"
              value={manifests}
              onInput={setManifests}
              hint="The Sensors and EventSources as they shall become"
            />
            <div class="buttons">
              <label>
                since{" "}
                <select value={since} onChange={(event) => setSince(event.currentTarget.value)}>
                  <option value="1h">1 hour ago</option>
                  <option value="24h">24 hours ago</option>
                  <option value="168h">7 days ago</option>
                  <option value="">the begin</option>
                </select>
              </label>
              <label>
                at most{" "}
                <select value={limit} onChange={(event) => setLimit(Number(event.currentTarget.value))}>
                  <option value={100}>100 events</option>
                  <option value={1000}>1,000 events</option>
                  <option value={10000}>10,000 events</option>
                </select>
              </label>
              <button type="button" class="primary" disabled={isBusy || manifests.trim() === ""} onClick={compare}>
                {isBusy ? "Comparing …" : "Compare"}
              </button>
            </div>
          </section>
          <section class="column answer-column" aria-live="polite" aria-busy={isBusy}>
            <header>
              <h2>What changes</h2>
              {answer ? (
                <span class="mute">
                  {whole(answer.changed)} of {count(answer.events, "event")}
                </span>
              ) : null}
            </header>
            <div class="answer-body">
              <Failure error={error} />
              {answer ? <AnswerView answer={answer} /> : null}
              {answer || error ? null : <Empty>Which actions come, go or change is shown here.</Empty>}
            </div>
          </section>
        </div>
      </Allowed>
    </>
  );
}

function AnswerView({ answer }: { answer: CompareAnswer }) {
  return (
    <>
      {answer.changes.map((change, at) => (
        <ChangeView key={at} change={change} />
      ))}
      {answer.changes.length === 0 ? <Empty>Nothing changes over these events.</Empty> : null}
      <details class="panel plain">
        <summary>As `tiphys diff` prints it</summary>
        <Code text={answer.text} label="The answer of tiphys diff" />
      </details>
    </>
  );
}

function ChangeView({ change }: { change: Change }) {
  const { by, count: times, action, instead, event, differences } = change;
  return (
    <Section
      title={by}
      aside={<Chip tone={TONES[change.change] ?? change.change}>{`${times} × ${change.change}`}</Chip>}
    >
      <p>
        {action}
        {instead ? <span class="wanted">instead: {instead}</span> : null}
      </p>
      {differences.map((difference, at) => (
        <DifferenceView key={at} difference={difference} />
      ))}
      <p class="mute">
        for example event <code>{event}</code>
      </p>
    </Section>
  );
}

function DifferenceView({ difference: { path, expected, actual } }: { difference: Difference }) {
  return (
    <div class="diff">
      {expected === undefined || expected === null ? null : (
        <pre class="removed">
          − {path}: {brief(expected, 300)}
        </pre>
      )}
      {actual === undefined || actual === null ? null : (
        <pre class="added">
          + {path}: {brief(actual, 300)}
        </pre>
      )}
    </div>
  );
}
