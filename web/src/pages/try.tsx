// Manifests and an event, and at once what would happen.

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Fault, TryAnswer } from "../core/contract.ts";
import { Chip, Code, Empty, Failure } from "../parts/common.tsx";
import { Editor } from "../parts/editor.tsx";
import { Stages } from "../parts/stages.tsx";
import { type ApiError, asApiError, isAbort, logins, post } from "../shell/api.ts";
import { EXAMPLE } from "./example.ts";

/** So long after the last key the answer is asked for, in milliseconds. */
const REST = 120;

/** Kinds of event sources that get bodies. */
const KINDS = ["webhook", "github", "gitlab", "bitbucket", "slack", "stripe", "sns", "generic"];

type As = "event" | "object" | "body";

export function Try() {
  const [manifests, setManifests] = useState(EXAMPLE.manifests);
  const [input, setInput] = useState(EXAMPLE.input);
  const [as, setAs] = useState<As>("object");
  const [kind, setKind] = useState("webhook");
  const { answer, error, isBusy } = useAnswer(manifests, input, as, kind);
  const faulty = useMemo(() => new Set(answer?.faults.flatMap((fault) => fault.line ?? [])), [answer]);
  return (
    <>
      <h1 class="hidden">Try it</h1>
      <div class="three">
        <section class="column">
          <header>
            <h2>Manifests</h2>
            <span class="mute">EventSource, EventBus, Sensor</span>
          </header>
          <Editor label="Manifests" value={manifests} onInput={setManifests} faulty={faulty} />
        </section>
        <section class="column">
          <header>
            <h2>Input</h2>
            <select aria-label="The input is" value={as} onChange={(event) => setAs(event.currentTarget.value as As)}>
              <option value="object">a Kubernetes object</option>
              <option value="event">an event</option>
              <option value="body">a body that is sent</option>
            </select>
            {as === "body" ? (
              <select
                aria-label="to a source of kind"
                value={kind}
                onChange={(event) => setKind(event.currentTarget.value)}
              >
                {KINDS.map((kind) => (
                  <option key={kind}>{kind}</option>
                ))}
              </select>
            ) : null}
          </header>
          <Editor label="Input" value={input} onInput={setInput} />
        </section>
        <section class="column answer-column" aria-live="polite" aria-busy={isBusy}>
          <header>
            <h2>Answer</h2>
            <span class="mute">{isBusy ? "…" : "no cluster is asked, nothing is changed"}</span>
          </header>
          <div class="answer-body">
            <Failure error={error} />
            {answer ? <AnswerView answer={answer} /> : null}
          </div>
        </section>
      </div>
    </>
  );
}

interface Asked {
  answer: TryAnswer | null;
  error: ApiError | null;
  isBusy: boolean;
}

/** The answer to what is written, soon after the last key; an older question is given up. */
function useAnswer(manifests: string, input: string, as: As, kind: string): Asked {
  const [asked, setAsked] = useState<Asked>({ answer: null, error: null, isBusy: true });
  const login = logins.value;
  useEffect(() => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      setAsked((before) => ({ ...before, isBusy: true }));
      const body = { manifests, input, as, ...(as === "body" ? { kind } : {}) };
      post<TryAnswer>("/api/try", body, controller.signal)
        .then((answer) => setAsked({ answer, error: null, isBusy: false }))
        .catch((error: unknown) => {
          if (!isAbort(error)) {
            setAsked((before) => ({ ...before, error: asApiError(error), isBusy: false }));
          }
        });
    }, REST);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [manifests, input, as, kind, login]);
  return asked;
}

function AnswerView({ answer }: { answer: TryAnswer }) {
  return (
    <>
      {answer.faults.map((fault, at) => (
        <FaultView key={at} fault={fault} />
      ))}
      {answer.reports.map((report, at) => (
        <Stages key={at} report={report} isHere={false} />
      ))}
      {answer.reports.length === 0 ? <Empty>No event came of it.</Empty> : null}
      {answer.text ? (
        <details class="panel plain">
          <summary>As `tiphys simulate` prints it</summary>
          <Code text={answer.text} label="The answer of tiphys simulate" />
        </details>
      ) : null}
    </>
  );
}

function FaultView({ fault }: { fault: Fault }) {
  const tone = fault.severity === "error" ? "bad" : "warn";
  return (
    <div class={`notice ${tone}`}>
      <p>
        <Chip tone={tone}>{fault.severity}</Chip> {fault.line === null ? "" : `line ${fault.line}: `}
        {fault.path ? <code>{fault.path}</code> : null} {fault.message}
      </p>
      {fault.hint ? <p class="hint">{fault.hint}</p> : null}
    </div>
  );
}
