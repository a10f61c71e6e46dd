// A text area with line numbers.

import { useRef } from "preact/hooks";

export function Editor(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  id?: string;
  hint?: string;
  /** Lines that have a fault, from 1. */
  faulty?: ReadonlySet<number>;
}) {
  const gutter = useRef<HTMLDivElement>(null);
  const lines = props.value.split("\n").length;
  return (
    <div class="editor">
      <div class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, at) => (
          <span key={at} class={props.faulty?.has(at + 1) ? "faulty" : ""}>
            {at + 1}
          </span>
        ))}
      </div>
      <textarea
        id={props.id}
        aria-label={props.label}
        placeholder={props.hint}
        spellcheck={false}
        autocomplete="off"
        wrap="off"
        value={props.value}
        onInput={(event) => props.onInput(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) {
            gutter.current.scrollTop = event.currentTarget.scrollTop;
          }
        }}
      />
    </div>
  );
}
