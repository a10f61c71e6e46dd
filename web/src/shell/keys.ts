// Keys that work everywhere.

import { signal } from "@preact/signals";
import type { Page } from "../core/address.ts";
import { needsLogin } from "./api.ts";
import * as store from "./store.ts";

export const help = signal(false);

/** The second key after `g`. */
export const PLACES: Record<string, { page: Page; title: string }> = {
  f: { page: { page: "flow", focus: "" }, title: "Flow" },
  e: { page: { page: "events" }, title: "Events" },
  o: { page: { page: "objects" }, title: "Objects" },
  d: { page: { page: "letters" }, title: "Dead letters" },
  t: { page: { page: "try" }, title: "Try it" },
  c: { page: { page: "compare" }, title: "Compare" },
};

let going = 0;

/** Stops or goes on showing what is new. */
export function togglePause(): void {
  store.paused.value = !store.paused.value;
}

/** Listens for the keys of all pages. */
export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event)) {
      return;
    }
    if (needsLogin.value) {
      return;
    }
    if (document.querySelector("dialog[open]") && event.key !== "?") {
      return;
    }
    if (act(event)) {
      event.preventDefault();
    }
  });
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return (
    target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
  );
}

function act(event: KeyboardEvent): boolean {
  const { key, timeStamp } = event;
  const place = PLACES[key];
  if (timeStamp - going < 1200 && place) {
    going = 0;
    store.go(place.page);
    return true;
  }
  going = key === "g" ? timeStamp : 0;
  switch (key) {
    case "?":
      help.value = !help.value;
      return true;
    case "/": {
      const input = document.getElementById("text-filter");
      input?.focus();
      return input !== null;
    }
    case "p":
      togglePause();
      return true;
    case "j":
    case "k":
      return step(key === "j" ? 1 : -1);
    default:
      return false;
  }
}

/** Moves the focus in the list of the page: its items are marked with `data-item`. */
function step(by: 1 | -1): boolean {
  const items = [...document.querySelectorAll<HTMLElement>("main [data-item]")];
  const active = document.activeElement?.closest<HTMLElement>("[data-item]");
  const at = active ? items.indexOf(active) : by === 1 ? -1 : items.length;
  const item = items[at + by];
  item?.focus();
  item?.scrollIntoView({ block: "nearest" });
  return items.length > 0;
}
