// JSON as YAML for people, and actions in words.

import type { Json } from "./contract.ts";
import { isObject } from "./diff.ts";

/** The lines of a value as YAML. */
export function toYaml(value: Json): string {
  return lines(value).join("\n");
}

function lines(value: Json): string[] {
  if (Array.isArray(value) && value.length > 0) {
    return value.flatMap((part) => item(part));
  }
  if (isObject(value) && Object.keys(value).length > 0) {
    return Object.entries(value).flatMap(([key, part]) => field(key, part));
  }
  return [scalar(value)];
}

function item(value: Json): string[] {
  const [first = "", ...rest] = lines(value);
  return [`- ${first}`, ...rest.map((line) => `  ${line}`)];
}

function field(key: string, value: Json): string[] {
  const name = text(key);
  if (typeof value === "string" && value.includes("\n") && !/[^\S\n]\n|^\s/.test(value)) {
    const ending = value.endsWith("\n") ? "" : "-";
    const body = value.replace(/\n$/, "").split("\n");
    return [`${name}: |${ending}`, ...body.map((line) => (line === "" ? "" : `  ${line}`))];
  }
  const inner = lines(value);
  if (Array.isArray(value) && value.length > 0) {
    return [`${name}:`, ...inner];
  }
  if (isObject(value) && Object.keys(value).length > 0) {
    return [`${name}:`, ...inner.map((line) => `  ${line}`)];
  }
  return [`${name}: ${inner[0] ?? ""}`];
}

function scalar(value: Json): string {
  if (Array.isArray(value)) {
    return "[]";
  }
  if (typeof value === "string") {
    return text(value);
  }
  return isObject(value) ? "{}" : String(value);
}

/** A text, quoted if YAML would take it for something else. */
function text(value: string): string {
  const isPlain =
    /^[A-Za-z_/.$][^\n\t]*$/.test(value) &&
    !/: |:$| #|\s$/.test(value) &&
    !/^(true|false|yes|no|on|off|y|n|null|~|\.inf|\.nan)$/i.test(value) &&
    !/^\.?\d/.test(value);
  return isPlain ? value : JSON.stringify(value);
}

export interface ActionView {
  /** What is done, in a line. */
  title: string;
  yaml: string;
}

/** What an action does. */
export function action(value: Json): ActionView {
  if (!isObject(value)) {
    return { title: "action", yaml: toYaml(value) };
  }
  const [kind = "action", inner = null] = Object.entries(value)[0] ?? [];
  if (kind === "k8s" && isObject(inner)) {
    const object = inner.object ?? null;
    return { title: `${String(inner.operation ?? "apply")} ${objectName(object)}`, yaml: toYaml(object) };
  }
  if (kind === "http" && isObject(inner)) {
    return { title: `${String(inner.method ?? "call")} ${String(inner.url ?? "")}`.trim(), yaml: toYaml(inner) };
  }
  return { title: kind, yaml: toYaml(inner) };
}

function objectName(object: Json): string {
  if (!isObject(object)) {
    return "object";
  }
  const metadata = isObject(object.metadata ?? null) ? (object.metadata as { [key: string]: Json }) : {};
  const name = String(metadata.name ?? metadata.generateName ?? "");
  const namespace = metadata.namespace ? `${String(metadata.namespace)}/` : "";
  return `${String(object.kind ?? "object")} ${namespace}${name}`.trim();
}

/** A value on one line, shortened. */
export function brief(value: Json | undefined, room = 120): string {
  const whole = value === undefined ? "nothing" : JSON.stringify(value);
  return whole.length > room ? `${whole.slice(0, room - 1)}…` : whole;
}
