// The one stream of a tab.

import { batch } from "@preact/signals";
import type { BusEvent, BusState, Rates, Skipped } from "../core/contract.ts";
import * as store from "./store.ts";

/** Reconnections begin this quickly, and become rarer. Milliseconds. */
const SOONEST = 500;
const LATEST = 10_000;

let delay = SOONEST;
let source: EventSource | null = null;
let opening: ReturnType<typeof setTimeout> | undefined;

/** Opens the stream; it is opened again whenever it is lost. */
export function open(): void {
  source?.close();
  clearTimeout(opening);
  const stream = new EventSource("/api/stream");
  source = stream;
  stream.onopen = () => {
    const wasLost = store.stream.value === "lost";
    delay = SOONEST;
    store.stream.value = "open";
    if (wasLost) {
      void store.readObjects();
      void store.readSession();
      void store.readEvents();
    }
  };
  stream.onerror = () => {
    store.stream.value = "lost";
    // A browser resumes a broken stream by itself, with `Last-Event-ID`; it gives up if the answer was an error.
    if (stream.readyState === EventSource.CLOSED) {
      opening = setTimeout(open, delay);
      delay = Math.min(delay * 2, LATEST);
    }
  };
  listen(stream);
}

function listen(stream: EventSource): void {
  const on = <T>(name: string, take: (data: T) => void) => {
    stream.addEventListener(name, (message) => take(JSON.parse(message.data) as T));
  };
  on<BusEvent[]>("events", (events) => store.tell({ kind: "arrived", events }));
  on<Skipped>("skipped", (skipped) => store.tell({ kind: "skipped", skipped }));
  on<Rates>("rates", (rates) => {
    store.rates.value = rates;
  });
  on<BusState>("bus", (bus) => {
    batch(() => {
      const wasGone = store.bus.value?.ok === false;
      store.bus.value = bus;
      if (bus.ok && wasGone) {
        void store.readEvents();
      }
    });
  });
  on<{ version: number }>("objects", () => void store.readObjects());
}

/** Opens a lost stream at once. */
export function retry(): void {
  delay = SOONEST;
  open();
}
