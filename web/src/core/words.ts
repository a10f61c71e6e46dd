// Numbers and times in words.

import type { ObjectRow } from "./contract.ts";

/** `1 event`, `12,345 events`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${whole(number)} ${number === 1 ? one : many}`;
}

export function whole(number: number): string {
  return number.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** A rate a second: `0`, `0.3`, `12`, `1,200`. */
export function rate(number: number): string {
  if (number === 0) {
    return "0";
  }
  if (number < 0.05) {
    return "<0.1";
  }
  return number < 9.95 ? number.toFixed(1) : whole(number);
}

/** How long ago, coarsely: `now`, `12 s`, `5 min`, `3 h`, `2 d`. */
export function ago(time: string, now: number): string {
  const seconds = (now - Date.parse(time)) / 1000;
  if (!Number.isFinite(seconds)) {
    return "not known";
  }
  if (seconds < 1.5) {
    return "now";
  }
  if (seconds < 90) {
    return `${Math.round(seconds)} s`;
  }
  if (seconds < 90 * 60) {
    return `${Math.round(seconds / 60)} min`;
  }
  return seconds < 36 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

/** A time on this machine's clock, to the second. */
export function clock(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) {
    return "not known";
  }
  const part = (number: number, size = 2) => String(number).padStart(size, "0");
  const day = `${date.getFullYear()}-${part(date.getMonth() + 1)}-${part(date.getDate())}`;
  return `${day} ${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}`;
}

export type Health = "ok" | "warn" | "bad" | "paused" | "unknown";

/** How an object is, and the word for it. */
export function health(object: ObjectRow): { health: Health; word: string } {
  if (object.paused) {
    return { health: "paused", word: "paused" };
  }
  if (object.ready === false) {
    return { health: "bad", word: "not ready" };
  }
  if (object.faults.length > 0) {
    return { health: "warn", word: count(object.faults.length, "fault") };
  }
  return object.ready === null ? { health: "unknown", word: "not known" } : { health: "ok", word: "ready" };
}

/** An outcome as people read it: the engine's `dead_lettered` is dead-lettered. */
export function outcomeWord(outcome: string): string {
  return outcome.replaceAll("_", "-");
}
