// Small parts of all pages.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Right } from "../core/contract.ts";
import { ago, clock } from "../core/words.ts";
import type { ApiError } from "../shell/api.ts";
import { now, session } from "../shell/store.ts";

const SIGNS: Record<string, string> = {
  fired: "✓",
  waiting: "…",
  filtered: "∅",
  deduplicated: "=",
  "dead-lettered": "✗",
  "in-flight": "→",
  faulty: "✗",
  ok: "✓",
  warn: "!",
  bad: "✗",
  paused: "‖",
  unknown: "?",
  new: "+",
  gone: "−",
  changed: "±",
  replay: "↻",
};

/** A word with a colour and a sign: never colour alone. */
export function Chip({ tone, children, title }: { tone: string; children: ComponentChildren; title?: string }) {
  return (
    <span class={`chip tone-${tone}`} title={title}>
      <span class="sign" aria-hidden="true">
        {SIGNS[tone] ?? "·"}
      </span>
      <span class="words">{children}</span>
    </span>
  );
}

export function OutcomeChip({
  outcome,
  sensor,
  title,
}: {
  /** In words. */
  outcome: string;
  sensor?: string;
  title?: string;
}) {
  return (
    <Chip tone={outcome} title={title ?? ""}>
      {sensor ? <b>{sensor}</b> : null} {outcome}
    </Chip>
  );
}

/** How long ago; the time itself is its title. */
export function Ago({ time }: { time: string | null | undefined }) {
  if (!time) {
    return <span class="mute">not known</span>;
  }
  return (
    <time dateTime={time} title={clock(time)}>
      {ago(time, now.value)}
    </time>
  );
}

/** An error where it belongs, with its hint. */
export function Failure({ error, retry }: { error: ApiError | null; retry?: () => void }) {
  // What only a login mends is told by the form for it.
  if (!error || error.wantsLogin) {
    return null;
  }
  return (
    <div class="notice bad" role="alert">
      <p>
        <span aria-hidden="true">✗ </span>
        {error.message}
      </p>
      {error.hint ? <p class="hint">{error.hint}</p> : null}
      {retry ? (
        <button type="button" onClick={retry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="empty" role="status">
      Reading {what} …
    </p>
  );
}

/** A part of a page, with a heading. */
export function Section(props: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}) {
  return (
    <section class={`panel ${props.class ?? ""}`}>
      <header>
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

/** Text of a program: as it is, with line numbers if wanted. */
export function Code({ text, label, numbered }: { text: string; label: string; numbered?: boolean }) {
  const lines = text.replace(/\n$/, "").split("\n");
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
    // biome-ignore lint/a11y/useSemanticElements: a section cannot be preformatted
    <pre class={numbered ? "code numbered" : "code"} tabIndex={0} role="region" aria-label={label}>
      {numbered ? lines.map((line, at) => <code key={at}>{line || " "}</code>) : <code>{text}</code>}
    </pre>
  );
}

/** Copies a text, and says so. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("copied");
    } catch {
      setSaid("the browser forbids it");
    }
    setTimeout(() => setSaid(""), 2000);
  };
  return (
    <button type="button" class="quiet" onClick={copy} aria-label={`Copy ${what}`}>
      {said || "Copy"}
    </button>
  );
}

/** A command to copy. */
export function Command({ text, what }: { text: string; what: string }) {
  return (
    <div class="command">
      <code>{text}</code>
      <Copy text={text} what={what} />
    </div>
  );
}

/** Several errors where they belong, each once: one missing right is told by all that needs it. */
export function Failures({ errors, retry }: { errors: (ApiError | null)[]; retry: () => void }) {
  const known = errors.filter((error) => error !== null);
  const different = known.filter((error, at) => known.findIndex(({ message }) => message === error.message) === at);
  return (
    <>
      {different.map((error) => (
        <Failure key={error.message} error={error} retry={retry} />
      ))}
    </>
  );
}

/** Its children with the right; without it one sentence why not. */
export function Allowed({ right, act, children }: { right: Right; act: string; children: ComponentChildren }) {
  const { value } = session;
  if (!value) {
    return null;
  }
  if (!value.rights[right]) {
    return <WhyNot what={`${act} is not offered here`} right={right} />;
  }
  return <>{children}</>;
}

function WhyNot({ what, right }: { what: string; right: Right }) {
  return (
    <p class="why-not">
      {what}: {session.value?.reasons[right] ?? "the right to is missing."}
    </p>
  );
}

/** True if values of events, and what could hold one, are kept from the reader. */
export const isVeiled = (): boolean => session.value?.rights.payload === false;

/** Why values are not shown, once a page, and what else is not there without them. */
export function Veiled({ what, acts }: { what: string; acts?: string }) {
  return isVeiled() ? (
    <WhyNot what={`${what} are not shown${acts ? `, and ${acts} are not offered` : ""}`} right="payload" />
  ) : null;
}

/** A dialog over the page: the browser keeps the focus inside, Escape closes it. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) {
        opener.focus();
      }
    };
  }, []);
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onClose={props.onClose}>
      <h2 id="dialog-title">{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Names and values, one a line. */
export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
