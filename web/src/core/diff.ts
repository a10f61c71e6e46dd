// What differs between two JSON values, field by field.

import type { Json } from "./contract.ts";

export interface Edit {
  /** As in the manifests: `body.spec.ports.0.port`. */
  path: string;
  kind: "added" | "removed" | "changed";
  before?: Json;
  after?: Json;
}

/** The edits that make `after` of `before`, in the order of its fields. */
export function diff(before: Json, after: Json): Edit[] {
  const edits: Edit[] = [];
  compare("", before, after, edits);
  return edits;
}

function compare(path: string, before: Json, after: Json, edits: Edit[]): void {
  if (Array.isArray(before) && Array.isArray(after)) {
    for (let at = 0; at < Math.max(before.length, after.length); at += 1) {
      compareField(join(path, String(at)), before[at], after[at], edits);
    }
    return;
  }
  if (isObject(before) && isObject(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [old, now] = [before, after].map((value) => (Object.hasOwn(value, key) ? value[key] : undefined));
      compareField(join(path, key), old, now, edits);
    }
    return;
  }
  if (!isEqual(before, after)) {
    edits.push({ path, kind: "changed", before, after });
  }
}

function compareField(path: string, before: Json | undefined, after: Json | undefined, edits: Edit[]): void {
  if (before === undefined && after !== undefined) {
    edits.push({ path, kind: "added", after });
  } else if (before !== undefined && after === undefined) {
    edits.push({ path, kind: "removed", before });
  } else if (before !== undefined && after !== undefined) {
    compare(path, before, after, edits);
  }
}

/** True if both are the same, whatever the order of keys. */
export function isEqual(a: Json, b: Json): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((part, at) => isEqual(part, b[at] ?? null));
  }
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key] ?? null, b[key] ?? null))
    );
  }
  return a === b;
}

export function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A dot inside a key is escaped, as paths in manifests are written. */
function join(path: string, key: string): string {
  const part = key.replaceAll(".", "\\.");
  return path === "" ? part : `${path}.${part}`;
}
