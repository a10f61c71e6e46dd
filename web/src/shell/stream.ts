// The one stream of a tab.

import { batch } from "@preact/signals";
import type { BusEvent, BusState, Rates, Skipped } from "../core/contract.ts";
import { asApiError, needsLogin, probe } from "./api.ts";
import * as store from "./store.ts";

/** Reconnections begin this quickly, and become rarer. Milliseconds. */
const SOONEST = 500;
const LATEST = 10_000;
/** One that may not look is asked for again this rarely. */
const REFUSED = 60_000;

let delay = SOONEST;
let source: EventSource | null = null;
let opening: ReturnType<typeof setTimeout> | undefined;

/** Opens the stream; it is opened again whenever it is lost. */
export function open(): void {
  close();
  const stream = new EventSource("/api/stream");
  source = stream;
  stream.onopen = () => {
    const wasLost = store.stream.value === "lost" || store.stream.value === "refused";
    delay = SOONEST;
    batch(() => {
      store.stream.value = "open";
      store.streamError.value = null;
    });
    if (wasLost) {
      void store.readObjects();
      void store.readSession();
      void store.readEvents();
    }
  };
  stream.onerror = () => {
    // A browser resumes a broken stream by itself, with `Last-Event-ID`; it gives up if the answer was an error.
    if (stream.readyState === EventSource.CLOSED) {
      void closed(stream);
    } else {
      store.stream.value = "lost";
    }
  };
  listen(stream);
}

/** Asks why the stream was not opened, which a browser does not tell, and when to try again. */
async function closed(stream: EventSource): Promise<void> {
  const error = await probe("/api/stream").then(
    () => null,
    (failure: unknown) => asApiError(failure),
  );
  if (source !== stream || needsLogin.peek()) {
    return;
  }
  const isRefused = error?.status === 403;
  batch(() => {
    store.stream.value = isRefused ? "refused" : "lost";
    store.streamError.value = isRefused ? error : null;
  });
  opening = setTimeout(open, isRefused ? REFUSED : delay);
  delay = Math.min(delay * 2, LATEST);
}

/** Closes the stream, until it is opened again. */
export function close(): void {
  source?.close();
  source = null;
  clearTimeout(opening);
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
