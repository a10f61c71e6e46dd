// Acts that change something: what would happen first, then a confirmation that names it.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Answer } from "../core/contract.ts";
import { count } from "../core/words.ts";
import { type ApiError, asApiError, post } from "../shell/api.ts";
import { Dialog, Failure } from "./common.tsx";

export interface Act {
  /** `Replay 137 dead letters` */
  title: string;
  path: string;
  body: Record<string, unknown>;
  /** True if it cannot be taken back. */
  isFinal?: boolean;
}

type State =
  | { step: "asking" }
  | { step: "asked"; answer: Answer }
  | { step: "acting"; answer: Answer }
  | { step: "done"; answer: Answer }
  | { step: "failed"; error: ApiError };

/** Asks what would happen, shows it, and does it if the reader wants it. */
export function ActDialog({ act, onClose, onDone }: { act: Act; onClose: () => void; onDone?: () => void }) {
  const [state, setState] = useState<State>({ step: "asking" });
  const confirm = useRef<HTMLButtonElement>(null);
  const call = async (dryRun: boolean, to?: number): Promise<void> => {
    try {
      const upTo = to === undefined ? {} : { to };
      const answer = await post<Answer>(act.path, { ...act.body, ...upTo, dryRun });
      setState({ step: dryRun ? "asked" : "done", answer });
      if (!dryRun) {
        onDone?.();
      }
    } catch (error) {
      setState({ step: "failed", error: asApiError(error) });
    }
  };
  useEffect(() => {
    void call(true);
  }, []);
  useEffect(() => {
    confirm.current?.focus();
  }, [state.step]);
  const proceed = (answer: Answer) => {
    setState({ step: "acting", answer });
    void call(false, answer.to);
  };
  const isOver = state.step === "done" || state.step === "failed";
  const nothing = state.step === "asked" && state.answer.done.length === 0;
  return (
    <Dialog title={state.step === "done" ? "Done" : `${act.title}?`} onClose={onClose}>
      <div class="answer" aria-live="polite">
        {state.step === "asking" ? <p class="mute">Asking what would happen …</p> : null}
        {state.step === "failed" ? <Failure error={state.error} /> : null}
        {"answer" in state ? <AnswerView answer={state.answer} isDry={state.step !== "done"} /> : null}
      </div>
      <div class="buttons">
        {isOver || nothing ? null : (
          <button
            ref={confirm}
            type="button"
            class={act.isFinal ? "danger" : "primary"}
            disabled={state.step !== "asked"}
            onClick={() => state.step === "asked" && proceed(state.answer)}
          >
            {state.step === "acting" ? "…" : act.title}
          </button>
        )}
        <button ref={isOver ? confirm : null} type="button" onClick={onClose}>
          {isOver || nothing ? "Close" : "Cancel"}
        </button>
      </div>
    </Dialog>
  );
}

function AnswerView({ answer, isDry }: { answer: Answer; isDry: boolean }) {
  const { done, refused } = answer;
  return (
    <>
      {done.length > 0 ? <h3>{isDry ? "This would happen" : "This was done"}</h3> : null}
      <Sentences sentences={done} sign="✓" tone="ok" />
      {refused.length > 0 ? <h3>{isDry ? "This would be refused" : "This was refused"}</h3> : null}
      <Sentences sentences={refused} sign="✗" tone="bad" />
      {done.length + refused.length === 0 ? <p>Nothing {isDry ? "would happen" : "was to do"}.</p> : null}
    </>
  );
}

function Sentences({ sentences, sign, tone }: { sentences: string[]; sign: string; tone: string }) {
  const shown = sentences.slice(0, 50);
  const more = sentences.length - shown.length;
  return (
    <ul class="sentences">
      {shown.map((sentence, at) => (
        <li key={at}>
          <span class={`sign tone-${tone}`} aria-hidden="true">
            {sign}
          </span>
          {sentence}
        </li>
      ))}
      {more > 0 ? <li class="mute">and {count(more, "more sentence", "more sentences")}</li> : null}
    </ul>
  );
}
