import assert from "node:assert/strict";
import { test } from "node:test";
import { tokenCommand, userName } from "../../src/core/user.ts";

test("a ServiceAccount is named shortly, anybody else as he is", () => {
  assert.equal(userName("system:serviceaccount:playground:viewer"), "playground/viewer");
  assert.equal(userName("ada@harbour.example"), "ada@harbour.example");
});

test("the command that makes a token names who was logged in before", () => {
  assert.equal(tokenCommand(null), "kubectl create token NAME -n NAMESPACE");
  const viewer = { user: "system:serviceaccount:playground:viewer", namespace: "harbour" };
  assert.equal(tokenCommand(viewer), "kubectl create token viewer -n playground");
  assert.equal(tokenCommand({ user: "ada", namespace: "harbour" }), "kubectl create token NAME -n harbour");
});
