// Which markup of the picture is let in: a fixed list, so that no text of an object can become more than text.

const ELEMENTS = new Set([
  "svg",
  "defs",
  "path",
  "marker",
  "rect",
  "text",
  "tspan",
  "g",
  "title",
  "use",
  "circle",
  "line",
]);

const ATTRIBUTES = new Set([
  ...[
    "xmlns",
    "width",
    "height",
    "viewBox",
    "role",
    "aria-label",
    "id",
    "class",
    "d",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
  ],
  ...["cx", "cy", "r", "rx", "ry", "transform", "refX", "refY", "markerWidth", "markerHeight", "markerUnits", "orient"],
  ...["marker-end", "href", "data-from", "data-to"],
]);

/** Why a picture is not shown; null if nothing speaks against it. */
export function refusal(root: Element): string | null {
  if (root.localName !== "svg" || root.namespaceURI !== "http://www.w3.org/2000/svg") {
    return "what came is no picture";
  }
  for (const element of [root, ...root.querySelectorAll("*")]) {
    if (!ELEMENTS.has(element.localName)) {
      return `the picture has an element \`${element.localName}\``;
    }
    for (const { name, value } of element.attributes) {
      if (!isAllowed(name, value)) {
        return `the picture has an attribute \`${name}\``;
      }
    }
  }
  return null;
}

/** True if an attribute may be in the picture. */
export function isAllowed(name: string, value: string): boolean {
  if (name === "href") {
    return /^#[\w-]+$/.test(value);
  }
  if (name === "marker-end") {
    return /^url\(#[\w-]+\)$/.test(value);
  }
  return ATTRIBUTES.has(name);
}
