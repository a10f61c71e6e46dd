// Addresses of pages: every view can be shared as a link.

import type { Kind } from "./contract.ts";

export interface Filters {
  namespace: string;
  sensor: string;
  text: string;
  source: string;
  outcome: string;
}

export type Page =
  | { page: "flow"; focus: string }
  | { page: "events" }
  | { page: "event"; number: number }
  | { page: "objects" }
  | { page: "object"; kind: Kind; namespace: string; name: string }
  | { page: "letters" }
  | { page: "letter"; number: number }
  | { page: "try" }
  | { page: "compare" }
  | { page: "unknown"; path: string };

export type Address = Page & { filters: Filters };

export const NO_FILTERS: Filters = { namespace: "", sensor: "", text: "", source: "", outcome: "" };

/** The part of an address that names a kind of object. */
const FOLDERS: Record<Kind, string> = { Sensor: "sensors", EventSource: "sources", EventBus: "buses" };

const FILTER_NAMES = ["namespace", "sensor", "text", "source", "outcome"] as const;

/** The page that an address means. */
export function parse(path: string, search: string): Address {
  const query = new URLSearchParams(search);
  const filters = { ...NO_FILTERS };
  for (const name of FILTER_NAMES) {
    filters[name] = query.get(name) ?? "";
  }
  return { ...parsePath(path, query), filters };
}

function parsePath(path: string, query: URLSearchParams): Page {
  const [first = "", second, third, ...rest] = path.split("/").filter(Boolean).map(decoded);
  const unknown: Page = { page: "unknown", path };
  if (rest.length > 0) {
    return unknown;
  }
  for (const [kind, folder] of Object.entries(FOLDERS) as [Kind, string][]) {
    if (first === folder) {
      return second && third ? { page: "object", kind, namespace: second, name: third } : unknown;
    }
  }
  if (third !== undefined) {
    return unknown;
  }
  if (second !== undefined) {
    const number = /^\d{1,16}$/.test(second) ? Number(second) : Number.NaN;
    if (!Number.isSafeInteger(number)) {
      return unknown;
    }
    if (first === "events") {
      return { page: "event", number };
    }
    return first === "dead-letters" ? { page: "letter", number } : unknown;
  }
  switch (first) {
    case "":
    case "flow":
      return { page: "flow", focus: query.get("focus") ?? "" };
    case "events":
    case "objects":
    case "try":
    case "compare":
      return { page: first };
    case "dead-letters":
      return { page: "letters" };
    default:
      return unknown;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a page. */
export function format(page: Page, filters: Partial<Filters> = {}): string {
  const query = new URLSearchParams();
  if (page.page === "flow" && page.focus) {
    query.set("focus", page.focus);
  }
  setFilters(query, filters);
  const search = query.toString();
  return formatPath(page) + (search ? `?${search}` : "");
}

function formatPath(page: Page): string {
  switch (page.page) {
    case "event":
      return `/events/${page.number}`;
    case "letter":
      return `/dead-letters/${page.number}`;
    case "letters":
      return "/dead-letters";
    case "object":
      return `/${FOLDERS[page.kind]}/${encodeURIComponent(page.namespace)}/${encodeURIComponent(page.name)}`;
    case "unknown":
      return page.path;
    default:
      return `/${page.page}`;
  }
}

/** The filters as a query of `/api`, with what else is asked. */
export function query(filters: Partial<Filters>, more: Record<string, string | number | undefined> = {}): string {
  const query = new URLSearchParams();
  setFilters(query, filters);
  for (const [name, value] of Object.entries(more)) {
    if (value !== undefined && value !== "") {
      query.set(name, String(value));
    }
  }
  const search = query.toString();
  return search ? `?${search}` : "";
}

function setFilters(query: URLSearchParams, filters: Partial<Filters>): void {
  for (const name of FILTER_NAMES) {
    const value = filters[name];
    if (value) {
      query.set(name, value);
    }
  }
}

/** True if something is filtered. */
export function isFiltered(filters: Filters): boolean {
  return FILTER_NAMES.some((name) => filters[name] !== "");
}
