import assert from "node:assert/strict";
import { test } from "node:test";
import { diff, isEqual } from "../../src/core/diff.ts";
import { isAllowed } from "../../src/core/svg.ts";
import { ago, count, rate } from "../../src/core/words.ts";
import { action, brief, toYaml } from "../../src/core/yaml.ts";

test("a diff names what was added, removed and changed, by path", () => {
  const before = { type: "ADD", body: { "a.b": 1, old: true, ports: [80, 81] } };
  const after = { type: "ADD", body: { "a.b": 2, ports: [80] }, operation: "create" };
  assert.deepEqual(diff(before, after), [
    { path: "body.a\\.b", kind: "changed", before: 1, after: 2 },
    { path: "body.old", kind: "removed", before: true },
    { path: "body.ports.1", kind: "removed", before: 81 },
    { path: "operation", kind: "added", after: "create" },
  ]);
});

test("a diff of equals is empty, whatever the order of keys", () => {
  assert.deepEqual(diff({ a: 1, b: [null] }, { b: [null], a: 1 }), []);
  assert.equal(isEqual({ a: 1 }, { a: 1, b: 2 }), false);
  assert.equal(isEqual([1, 2], [1]), false);
});

test("null, nothing and another kind are told apart", () => {
  assert.deepEqual(diff({ a: null }, {}), [{ path: "a", kind: "removed", before: null }]);
  assert.deepEqual(diff({}, { a: null }), [{ path: "a", kind: "added", after: null }]);
  assert.deepEqual(diff({ a: [] }, { a: {} }), [{ path: "a", kind: "changed", before: [], after: {} }]);
});

test("a key named like a part of all objects is a key", () => {
  assert.deepEqual(diff({}, JSON.parse('{"constructor": 1}')), [{ path: "constructor", kind: "added", after: 1 }]);
});

test("YAML is indented as kubectl does, and quotes what it would misread", () => {
  const value = {
    name: "harbour",
    rules: [{ host: "a.example", paths: ["/"] }],
    empty: {},
    none: [],
    answer: "yes",
    number: "8080",
    text: "a: b",
    script: "one\ntwo\n",
    real: 8080,
    nothing: null,
  };
  assert.equal(
    toYaml(value),
    [
      "name: harbour",
      "rules:",
      "- host: a.example",
      "  paths:",
      "  - /",
      "empty: {}",
      "none: []",
      'answer: "yes"',
      'number: "8080"',
      'text: "a: b"',
      "script: |",
      "  one",
      "  two",
      "real: 8080",
      "nothing: null",
    ].join("\n"),
  );
});

test("an action is named by what it does", () => {
  const object = { kind: "Ingress", metadata: { name: "x-ing", namespace: "harbour" } };
  assert.equal(action({ k8s: { operation: "create", object } }).title, "create Ingress harbour/x-ing");
  assert.equal(action({ http: { method: "POST", url: "https://a.example/" } }).title, "POST https://a.example/");
  assert.equal(action({ log: { lines: [] } }).title, "log");
  assert.equal(action("odd").title, "action");
});

test("numbers and times are short words", () => {
  assert.deepEqual([0, 0.01, 0.3, 9.99, 1234].map(rate), ["0", "<0.1", "0.3", "10", "1,234"]);
  assert.equal(count(1, "event"), "1 event");
  assert.equal(count(12_345, "event"), "12,345 events");
  const now = Date.parse("2026-03-01T09:30:00Z");
  const times = ["2026-03-01T09:29:59Z", "2026-03-01T09:29:00Z", "2026-03-01T09:00:00Z", "2026-02-20T09:30:00Z", "x"];
  assert.deepEqual(
    times.map((time) => ago(time, now)),
    ["now", "60 s", "30 min", "9 d", "not known"],
  );
  assert.equal(brief({ a: "x".repeat(20) }, 10), '{"a":"xxx…');
  assert.equal(brief(undefined), "nothing");
});

test("of the picture's attributes only a fixed list is let in", () => {
  assert.equal(isAllowed("d", "M0 0"), true);
  assert.equal(isAllowed("href", "#tiphys-bus"), true);
  assert.equal(isAllowed("marker-end", "url(#tiphys-flow)"), true);
  for (const [name, value] of [
    ["onload", "x()"],
    ["style", "fill:red"],
    ["href", "https://a.example/"],
    ["href", "javascript:x()"],
    ["xlink:href", "#a"],
    ["marker-end", "url(https://a.example/#a)"],
    ["fill", "url(https://a.example/)"],
  ] as const) {
    assert.equal(isAllowed(name, value), false, name);
  }
});
