// Logging in to the real program, as one who may look and no more. `TIPHYS_CONSOLE_ADDRESS` is where it is served,
// `TIPHYS_TOKEN` a viewer's token: both are those of the story `tests/tests/product/login.rs`, which runs this.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, findings, focused, open, openBrowser, settled } from "../browser/browser.ts";

const address = process.env.TIPHYS_CONSOLE_ADDRESS ?? "";
const token = process.env.TIPHYS_TOKEN ?? "";

before(openBrowser);
after(closeBrowser);

test("a viewer logs in, sees what happened and no value of it, and logs out", async () => {
  const { page } = await open(`${address}/events`);
  await focused(page, "#token");
  await page.keyboard.type("guess");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("the cluster does not know this token").waitFor();
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.locator("form").waitFor({ state: "detached" });
  await settled(page);
  await page.locator(".event-row").first().waitFor();
  await page.getByText("/viewer").first().waitFor();
  const paths = [
    "/events",
    "/events/1",
    "/events/2",
    "/dead-letters",
    "/dead-letters/1",
    "/objects",
    "/flow",
    "/compare",
  ];
  for (const path of paths) {
    await page.goto(`${address}${path}`);
    await settled(page);
    const text = await page.locator("body").innerText();
    assert.doesNotMatch(text, /pearl|shell|null|undefined/, path);
    const buttons = page.getByRole("button", { name: /^(Replay|Drop|Send again|Pause sensor|Explain|Save as test)/ });
    assert.equal(await buttons.count(), 0, path);
    assert.deepEqual(await findings(page), [], path);
  }
  await page.getByRole("button", { name: "Log out" }).click();
  await focused(page, "#token");
  await page.context().close();
});
