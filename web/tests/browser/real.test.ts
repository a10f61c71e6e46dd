// What holds for any console, asked of the real program: `TIPHYS_CONSOLE_ADDRESS` is the address that it prints, token and all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, findings, open, openBrowser } from "./browser.ts";

const printed = process.env.TIPHYS_CONSOLE_ADDRESS;
const skip = printed === undefined ? "TIPHYS_CONSOLE_ADDRESS is not set" : false;

before(async () => {
  if (!skip) {
    await openBrowser();
  }
});
after(closeBrowser);

for (const path of ["/flow", "/events", "/objects", "/dead-letters", "/try", "/compare"]) {
  test(`${path} of the real program opens without an error`, { skip }, async () => {
    const { page, errors } = await open(printed ?? "");
    await page.getByText("live", { exact: true }).waitFor();
    await page.goto(new URL(path, page.url()).href);
    await page.getByText("live", { exact: true }).waitFor();
    await page.waitForTimeout(1000);
    assert.deepEqual(await page.locator(".notice.bad").allInnerTexts(), []);
    assert.deepEqual(errors, []);
    assert.deepEqual(await findings(page), []);
    await page.context().close();
  });
}

test("the real program answers Try it", { skip }, async () => {
  const { page } = await open(printed ?? "");
  await page.getByText("live", { exact: true }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.getByText("create Ingress playground/harbour-svc-ing").waitFor();
  await page.context().close();
});
