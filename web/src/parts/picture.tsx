// The SVG of the server inside the page: checked, then kept alive without being drawn anew.

import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Flow } from "../core/contract.ts";
import { around, live, speedClass, wire } from "../core/flow.ts";
import { refusal } from "../core/svg.ts";
import { rate } from "../core/words.ts";
import { ApiError, asApiError, getText } from "../shell/api.ts";
import * as store from "../shell/store.ts";
import { isDark } from "../shell/theme.ts";
import { Failure } from "./common.tsx";
import LIVE_STYLE from "./picture.css" with { type: "text" };

const NS = "http://www.w3.org/2000/svg";

/** So many wires move at once; those out of sight stand still. */
const MOVING = 150;

/** So far out of sight all is still painted, in the picture's own measure: enough for the next Tab. */
const NEAR = 1500;

/** So high is the heading of the picture, in its own measure. */
const HEADING = 52;

interface Props {
  markup: string;
  focus: string;
  text: string;
  /** True if it shrinks to the width of the page. */
  isWhole: boolean;
  onFocus: (id: string) => void;
}

export function Picture({ markup, focus, text, isWhole, onFocus }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [drawing, setDrawing] = useState<Drawing | null>(null);
  useEffect(() => {
    const root = host.current && (host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" }));
    return root ? styled(root, setError) : undefined;
  }, []);
  useEffect(() => {
    const root = host.current?.shadowRoot;
    if (!root) {
      return undefined;
    }
    const parsed = parse(markup);
    if (typeof parsed === "string") {
      root.replaceChildren();
      setError(new ApiError("The picture is not shown.", parsed, 0));
      return undefined;
    }
    setError(null);
    const focused = root.activeElement?.id;
    root.replaceChildren(parsed);
    const drawing = new Drawing(parsed);
    setDrawing(drawing);
    if (focused) {
      root.getElementById(focused)?.focus({ preventScroll: true });
    }
    return keepAlive(drawing, host.current);
  }, [markup]);
  const graph = store.flow.value;
  useEffect(() => {
    drawing?.dim(graph, focus, text);
    drawing?.reveal(focus);
  }, [drawing, graph, focus, text]);
  const card = (event: Event) => event.composedPath().find((part) => part instanceof Element && part.matches(".card"));
  return (
    <>
      <Failure error={error} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the cards inside are buttons, their events rise to here */}
      <div
        class={isWhole ? "picture" : "picture full"}
        ref={host}
        onClick={(event) => {
          const hit = card(event);
          onFocus(hit instanceof Element && hit.id !== focus ? hit.id : "");
        }}
        onKeyDown={(event) => {
          const hit = card(event);
          if ((event.key === "Enter" || event.key === " ") && hit instanceof Element) {
            event.preventDefault();
            onFocus(hit.id === focus ? "" : hit.id);
          } else if (event.key === "Escape" && focus) {
            onFocus("");
          }
        }}
      />
    </>
  );
}

/** The picture, or why it is not shown. */
function parse(markup: string): SVGSVGElement | string {
  const parsed = new DOMParser().parseFromString(markup, "image/svg+xml");
  const why = parsed.querySelector("parsererror") ? "what came is no picture" : refusal(parsed.documentElement);
  return why ?? (document.importNode(parsed.documentElement, true) as unknown as SVGSVGElement);
}

/** Gives the picture the style of the server and ours. */
function styled(root: ShadowRoot, onError: (error: ApiError) => void): () => void {
  const [theirs, ours] = [new CSSStyleSheet(), new CSSStyleSheet()];
  ours.replaceSync(LIVE_STYLE);
  root.adoptedStyleSheets = [theirs, ours];
  getText("/assets/flow.css").then(
    (text) => {
      theirs.replaceSync(text);
      paint(theirs);
    },
    (error: unknown) => onError(asApiError(error)),
  );
  return effect(() => {
    paint(theirs);
    root.host.classList.toggle("dark", isDark());
  });
}

/** Makes the style light or dark: it asks the system, the reader may have chosen. */
function paint(sheet: CSSStyleSheet): void {
  const wanted = isDark() ? "all" : "not all";
  for (const rule of sheet.cssRules) {
    if (rule instanceof CSSMediaRule) {
      rule.media.mediaText = wanted;
    }
  }
}

function keepAlive(drawing: Drawing, host: HTMLElement | null): () => void {
  const seen = () => drawing.move(host);
  const stop = effect(() => {
    const [graph, rates, objects] = [store.flow.value, store.rates.value, store.objects.value];
    if (graph && !store.paused.value) {
      drawing.show(live(graph, rates, objects, store.session.value));
      seen();
    }
  });
  host?.addEventListener("scroll", seen, { passive: true });
  window.addEventListener("scroll", seen, { passive: true });
  window.addEventListener("resize", seen);
  return () => {
    stop();
    host?.removeEventListener("scroll", seen);
    window.removeEventListener("scroll", seen);
    window.removeEventListener("resize", seen);
  };
}

interface Card {
  element: SVGGElement;
  width: number;
  /** What it says by itself: also its name for those who do not see it. */
  words: string;
  notes: SVGGElement | null;
  /** What it was last told. */
  told: string;
}

/** Something that is not painted while it is far away. */
interface Part {
  element: Element;
  y: [number, number];
  isFar: boolean;
}

interface Wire {
  path: SVGPathElement;
  from: string;
  to: string;
  /** Where it lies, in the picture's own measure. */
  y: [number, number];
  dash: SVGPathElement | null;
  label: SVGTextElement | null;
  rate: number;
  isDim: boolean;
}

/** The drawn cards and wires. */
class Drawing {
  private readonly svg: SVGSVGElement;
  private readonly cards = new Map<string, Card>();
  private readonly wires: Wire[] = [];
  private readonly parts: Part[] = [];

  constructor(svg: SVGSVGElement) {
    this.svg = svg;
    svg.setAttribute("role", "group");
    // The page has the heading already.
    const { width, height } = svg.viewBox.baseVal;
    svg.setAttribute("viewBox", `0 ${HEADING} ${width} ${height - HEADING}`);
    svg.setAttribute("height", String(height - HEADING));
    for (const element of svg.querySelectorAll<SVGGElement>("g.card")) {
      const width = Number(element.querySelector("rect.face")?.getAttribute("width") ?? 180);
      const words = element.querySelector("title")?.textContent ?? "";
      element.setAttribute("tabindex", "0");
      element.setAttribute("role", "button");
      element.setAttribute("data-item", "");
      const top = Number(/ (-?[\d.]+)\)/.exec(element.getAttribute("transform") ?? "")?.[1] ?? 0);
      const height = Number(element.querySelector("rect.face")?.getAttribute("height") ?? 0);
      this.parts.push({ element, y: [top, top + height], isFar: false });
      this.cards.set(element.id, { element, width, words, notes: null, told: "" });
    }
    for (const path of svg.querySelectorAll<SVGPathElement>("path.wire[data-from]")) {
      const [from, to] = [path.dataset.from ?? "", path.dataset.to ?? ""];
      const y = heights(path);
      this.parts.push({ element: path, y, isFar: false });
      this.wires.push({ path, from, to, y, dash: null, label: null, rate: 0, isDim: false });
    }
  }

  /** Writes notes on cards and rates at wires, where they have changed. */
  show(state: ReturnType<typeof live>): void {
    for (const [id, card] of state.cards) {
      this.note(id, card.notes, card.health);
    }
    for (const drawn of this.wires) {
      const now = state.wires.get(wire(drawn.from, drawn.to)) ?? 0;
      if (now !== drawn.rate) {
        drawn.rate = now;
        label(drawn);
      }
    }
  }

  private note(id: string, notes: { text: string; tone: string }[], health: string): void {
    const card = this.cards.get(id);
    const told = JSON.stringify([notes, health]);
    if (!card || card.told === told) {
      return;
    }
    card.told = told;
    card.element.classList.toggle("is-bad", health === "bad");
    card.element.classList.toggle("is-paused", health === "paused");
    const title = card.element.querySelector("title");
    if (title) {
      title.textContent = [card.words, ...notes.map(({ text }) => text)].join("\n");
    }
    card.notes?.remove();
    card.notes = null;
    if (notes.length > 0) {
      card.notes = pills(notes, card.width);
      card.element.append(card.notes);
    }
  }

  /** Lets the wires in sight move, as fast as their rates. */
  move(host: HTMLElement | null): void {
    const box = this.svg.getBoundingClientRect();
    const scale = box.height / (this.svg.viewBox.baseVal.height || box.height || 1);
    const room = host?.getBoundingClientRect() ?? box;
    const [low, high] = [Math.max(room.top, 0), Math.min(room.bottom, window.innerHeight)];
    const [top, bottom] = [low, high].map((at) => (at - box.top) / scale + HEADING) as [number, number];
    this.leaveOut(top - NEAR, bottom + NEAR);
    let moving = 0;
    const isHidden = box.height === 0;
    for (const drawn of this.wires) {
      const speed = speedClass(drawn.rate);
      const isSeen = !isHidden && drawn.y[1] >= top && drawn.y[0] <= bottom && moving < MOVING;
      if (speed === "" || !isSeen) {
        drawn.dash?.remove();
        drawn.dash = null;
        continue;
      }
      moving += 1;
      if (drawn.dash === null) {
        drawn.dash = document.createElementNS(NS, "path");
        drawn.dash.setAttribute("d", drawn.path.getAttribute("d") ?? "");
        drawn.path.after(drawn.dash);
      }
      const name = `pulse ${speed}${drawn.isDim ? " dim" : ""}`;
      if (drawn.dash.getAttribute("class") !== name) {
        drawn.dash.setAttribute("class", name);
      }
    }
  }

  /** Lets what is far away be without paint: a picture of 500 Sensors is 60,000 high. */
  private leaveOut(top: number, bottom: number): void {
    for (const part of this.parts) {
      const isFar = part.y[1] < top || part.y[0] > bottom;
      if (isFar !== part.isFar) {
        part.isFar = isFar;
        part.element.classList.toggle("far", isFar);
      }
    }
  }

  /** Brings a card into sight. */
  reveal(id: string): void {
    const box = this.cards.get(id)?.element.getBoundingClientRect();
    const root = this.svg.parentNode;
    if (!box || !(root instanceof ShadowRoot)) {
      return;
    }
    const room = root.host.getBoundingClientRect();
    const isSeen = box.top >= room.top && box.bottom <= room.bottom && box.left >= room.left && box.right <= room.right;
    if (!isSeen) {
      // The picture alone moves, not the page.
      root.host.scrollTop += (box.top + box.bottom - room.top - room.bottom) / 2;
      root.host.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
    }
  }

  /** Dims what the focus or the text does not mean. */
  dim(graph: Flow | null, focus: string, text: string): void {
    const lit = graph && focus && this.cards.has(focus) ? around(graph, focus) : null;
    const wanted = text.toLowerCase();
    const isLit = (id: string) => {
      const title = this.cards.get(id)?.words.toLowerCase() ?? "";
      return (lit === null || lit.has(id)) && (wanted === "" || title.includes(wanted));
    };
    for (const [id, { element }] of this.cards) {
      element.classList.toggle("dim", !isLit(id));
      element.classList.toggle("focus", id === focus);
      element.setAttribute("aria-pressed", String(id === focus));
    }
    for (const drawn of this.wires) {
      drawn.isDim = lit !== null && !(lit.has(drawn.from) && lit.has(drawn.to));
      for (const part of [drawn.path, drawn.dash, drawn.label]) {
        part?.classList.toggle("dim", drawn.isDim);
      }
    }
  }
}

/** Between which heights a path lies, by the numbers of its commands: `M228 302H272`, `C950 296 …`, `V40`. */
function heights(path: SVGPathElement): [number, number] {
  const ys: number[] = [];
  for (const [, command = "", rest = ""] of (path.getAttribute("d") ?? "").matchAll(/([MLCHV])([^MLCHV]*)/g)) {
    const numbers = (rest.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
    ys.push(...numbers.filter((_, at) => command === "V" || (command !== "H" && at % 2 === 1)));
  }
  return [Math.min(...ys), Math.max(...ys)];
}

/** Writes the rate at the begin of a wire. */
function label(drawn: Wire): void {
  const isSaid = drawn.rate > 0 && /^(event|trigger)_/.test(drawn.from);
  if (!isSaid) {
    drawn.label?.remove();
    drawn.label = null;
    return;
  }
  if (drawn.label === null) {
    const [, x = "0", y = "0"] = /^M(-?[\d.]+)[ ,](-?[\d.]+)/.exec(drawn.path.getAttribute("d") ?? "") ?? [];
    drawn.label = document.createElementNS(NS, "text");
    drawn.label.setAttribute("class", drawn.isDim ? "rate dim" : "rate");
    drawn.label.setAttribute("x", String(Number(x) + 4));
    drawn.label.setAttribute("y", String(Number(y) + (drawn.from.startsWith("trigger") ? 13 : -5)));
    drawn.path.after(drawn.label);
  }
  drawn.label.textContent = `${rate(drawn.rate)}/s`;
}

/** Notes on the upper edge of a card, from its right corner. */
function pills(notes: { text: string; tone: string }[], width: number): SVGGElement {
  const group = document.createElementNS(NS, "g");
  let right = width - 10;
  for (const { text, tone } of notes) {
    const wide = Math.round(text.length * 5.7 + 14);
    const rect = document.createElementNS(NS, "rect");
    const words = document.createElementNS(NS, "text");
    rect.setAttribute("class", `pill ${tone}`);
    words.setAttribute("class", `pill-text ${tone}`);
    for (const [name, value] of Object.entries({ x: right - wide, y: -8, width: wide, height: 16, rx: 8 })) {
      rect.setAttribute(name, String(value));
    }
    words.setAttribute("x", String(right - wide / 2));
    words.setAttribute("y", "3.5");
    words.textContent = text;
    group.append(rect, words);
    right -= wide + 4;
  }
  return group;
}
