// A payload as a tree that opens and closes.

import type { Json } from "../core/contract.ts";
import { isObject } from "../core/diff.ts";

/** So many parts of a list or an object are shown; what is more is counted. */
const SHOWN = 200;

export function Tree({ value, name, depth = 0 }: { value: Json; name?: string; depth?: number }) {
  const parts = partsOf(value);
  if (parts === null || parts.length === 0) {
    return (
      <div class="leaf">
        {name === undefined ? null : <span class="key">{name}: </span>}
        <Scalar value={value} />
      </div>
    );
  }
  const size = Array.isArray(value) ? `[${parts.length}]` : `{${parts.length}}`;
  return (
    <details class="tree" open={depth < 3 && parts.length <= 40}>
      <summary>
        {name === undefined ? null : <span class="key">{name}</span>} <span class="mute">{size}</span>
      </summary>
      {parts.slice(0, SHOWN).map(([key, part]) => (
        <Tree key={key} name={key} value={part} depth={depth + 1} />
      ))}
      {parts.length > SHOWN ? <div class="leaf mute">and {parts.length - SHOWN} more</div> : null}
    </details>
  );
}

function partsOf(value: Json): [string, Json][] | null {
  if (Array.isArray(value)) {
    return value.map((part, at) => [String(at), part]);
  }
  return isObject(value) ? Object.entries(value) : null;
}

function Scalar({ value }: { value: Json }) {
  const kind = value === null ? "null" : typeof value;
  return <span class={`value ${kind}`}>{JSON.stringify(value)}</span>;
}
