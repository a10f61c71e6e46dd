import assert from "node:assert/strict";
import { test } from "node:test";
import { format, isFiltered, NO_FILTERS, parse, query } from "../../src/core/address.ts";

test("each page has an address that leads back to it", () => {
  const pages: [string, object][] = [
    ["/flow", { page: "flow", focus: "" }],
    ["/flow?focus=bus_a", { page: "flow", focus: "bus_a" }],
    ["/events", { page: "events" }],
    ["/events/1234", { page: "event", number: 1234 }],
    ["/objects", { page: "objects" }],
    ["/sensors/harbour/ingress-sn", { page: "object", kind: "Sensor", namespace: "harbour", name: "ingress-sn" }],
    ["/sources/harbour/ingress-es", { page: "object", kind: "EventSource", namespace: "harbour", name: "ingress-es" }],
    ["/buses/harbour/default", { page: "object", kind: "EventBus", namespace: "harbour", name: "default" }],
    ["/dead-letters", { page: "letters" }],
    ["/dead-letters/41", { page: "letter", number: 41 }],
    ["/try", { page: "try" }],
    ["/compare", { page: "compare" }],
  ];
  for (const [address, page] of pages) {
    const url = new URL(address, "http://x");
    const parsed = parse(url.pathname, url.search);
    assert.deepEqual(parsed, { ...page, filters: NO_FILTERS });
    assert.equal(format(parsed, parsed.filters), address);
  }
});

test("the root is the flow", () => {
  assert.equal(parse("/", "").page, "flow");
});

test("filters stand in the query, whatever letters they have", () => {
  const parsed = parse("/events", "?namespace=a&sensor=b&text=x%26y%3D1&outcome=fired");
  assert.deepEqual(parsed.filters, { namespace: "a", sensor: "b", text: "x&y=1", source: "", outcome: "fired" });
  assert.equal(format(parsed, parsed.filters), "/events?namespace=a&sensor=b&text=x%26y%3D1&outcome=fired");
  assert.equal(isFiltered(parsed.filters), true);
  assert.equal(isFiltered(NO_FILTERS), false);
});

test("what is no page is said to be none", () => {
  for (const path of [
    "/nothing",
    "/events/x",
    "/events/1/2",
    "/sensors/a",
    "/sensors/a/b/c",
    "/events/99999999999999999",
  ]) {
    assert.equal(parse(path, "").page, "unknown", path);
  }
});

test("a name with a slash or a broken escape does not leave its place", () => {
  const page = { page: "object", kind: "Sensor", namespace: "a/b", name: "c?d" } as const;
  assert.equal(format(page), "/sensors/a%2Fb/c%3Fd");
  assert.deepEqual(parse("/sensors/a%2Fb/c%3Fd", ""), { ...page, filters: NO_FILTERS });
  assert.equal(parse("/sensors/%E0%A4%A/x", "").page, "object");
});

test("a query leaves out what is not set", () => {
  assert.equal(query({ namespace: "a", sensor: "" }, { before: 7, limit: undefined }), "?namespace=a&before=7");
  assert.equal(query({}), "");
});
