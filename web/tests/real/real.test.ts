// The pages over the real program. `TIPHYS_CONSOLE_ADDRESS` is the address that it prints, token and all;
// `TIPHYS_STAGE_ADDRESS` makes happen what is asked for by a path. Both are those of the story
// `tests/tests/product/console_pages.rs`, which runs this.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { closeBrowser, findings, goByKey, open, openBrowser, settled, until } from "../browser/browser.ts";

const printed = setting("TIPHYS_CONSOLE_ADDRESS");
const stage = setting("TIPHYS_STAGE_ADDRESS");

function setting(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: these tests are run by the story the_pages_show_what_happens_and_act`);
  }
  return value;
}

/** `small` and `large` publish an event, `open` lets the trigger's target take it, `stop` and `start` are the bus'. */
async function make(what: "small" | "large" | "open" | "stop" | "start"): Promise<void> {
  const { ok } = await fetch(`${stage}/${what}`, { method: "POST" });
  assert.ok(ok, what);
}

/** The number of the newest event that is shown, or 0. */
const NEWEST = `Number(document.querySelector(".event-row .number")?.textContent ?? 0)`;

async function newest(page: Page): Promise<number> {
  return (await page.evaluate(NEWEST)) as number;
}

/** Publishes a small event, and waits until the page shows one more. */
async function publishSmall(page: Page): Promise<void> {
  const known = await newest(page);
  await make("small");
  await until(page, `${NEWEST} > ${known}`);
}

before(openBrowser);
after(closeBrowser);

for (const path of ["/flow", "/events", "/objects", "/dead-letters", "/try", "/compare"]) {
  test(`${path} of the real program opens without an error`, async () => {
    const { page, errors } = await open(printed);
    await settled(page);
    await page.goto(new URL(path, page.url()).href);
    await settled(page);
    assert.deepEqual(await page.locator(".notice.bad").allInnerTexts(), []);
    assert.deepEqual(errors, []);
    assert.deepEqual(await findings(page), []);
    await page.context().close();
  });
}

test("the real program answers Try it", async () => {
  const { page } = await open(printed);
  await settled(page);
  await goByKey(page, "t", "/try");
  await page.getByText("create Ingress playground/harbour-svc-ing").waitFor();
  await page.context().close();
});

test("an event is on Flow moments after it is published", async () => {
  const { page } = await open(printed);
  await settled(page);
  await page.locator(".picture .card.trigger").first().waitFor();
  const started = Date.now();
  await publishSmall(page);
  const passed = Date.now() - started;
  process.stdout.write(`on Flow after ${passed} ms\n`);
  // What else runs on the machine counts, too: only who measures asks for it.
  if (process.env.TIPHYS_MEASURE) assert.ok(passed < 1000, `${passed} ms`);
  await page.locator(".ticker .event-row", { hasText: "input / a" }).first().waitFor();
  await page.context().close();
});

test("an event that was filtered shows the reason and the line of the rule", async () => {
  const { page } = await open(printed);
  await settled(page);
  await goByKey(page, "e", "/events");
  await settled(page);
  await publishSmall(page);
  await page.locator(".event-row", { hasText: "workbench filtered" }).first().click();
  await page.getByText("did not fire, because dependency a: data[0] size: 5, wanted a number > 10").first().waitFor();
  const step = page.locator(".steps li.failed", { hasText: "data[0]" }).first();
  assert.match(await step.locator(".where").innerText(), /sensor\.yaml:6/);
  await page.context().close();
});

test("a dead letter that is replayed is gone", async () => {
  const { page } = await open(printed);
  await settled(page);
  await make("large");
  await goByKey(page, "d", "/dead-letters");
  await page.locator(".group", { hasText: "call" }).waitFor();
  await make("open");
  await page.locator(".group").getByRole("button", { name: "Replay …" }).click();
  await page.getByText("would be replayed").waitFor();
  await page.getByRole("button", { name: "Replay 1 dead letter" }).click();
  await page.getByRole("heading", { name: "This was done" }).waitFor();
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByText("No dead letter. All is well.").waitFor();
  await page.context().close();
});

test("a bus that goes is said to be away, and the page goes on by itself when it is back", async () => {
  const { page } = await open(printed);
  await settled(page);
  await publishSmall(page);
  await make("stop");
  await page.getByText("The event bus does not answer").waitFor();
  await page.getByText("bus away", { exact: true }).waitFor();
  await make("start");
  await page.getByText("The event bus does not answer").waitFor({ state: "detached" });
  await page.getByText("live", { exact: true }).waitFor();
  await publishSmall(page);
  await page.context().close();
});
