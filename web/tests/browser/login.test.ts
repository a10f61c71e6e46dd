// Logging in and out, and what one sees who may not see all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import {
  closeBrowser,
  counted,
  eventually,
  findings,
  focused,
  open,
  openBrowser,
  PAGES,
  settled,
  standIn,
  tabTo,
  until,
} from "./browser.ts";

before(openBrowser);
after(closeBrowser);

/** What a browser itself says of an answer that is refused, and of a stream that ends. */
const REFUSED = /Failed to load resource: (the server responded with a status of 40[13]|net::ERR_INCOMPLETE_CHUNKED)/;

/** What is wrong beside answers that were to be refused. */
const unexpected = (errors: string[]) => errors.filter((error) => !REFUSED.test(error));

async function logIn(page: Page, token: string): Promise<void> {
  await focused(page, "#token");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.locator("form").waitFor({ state: "detached" });
}

test("one logs in by the keyboard alone, and gets the page that was wanted", async () => {
  await using server = await standIn({ cluster: true });
  const { page, errors } = await open(`${server.address}/events?sensor=release-sn`);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await page.getByText("kubectl create token NAME -n NAMESPACE").waitFor();
  assert.equal(await page.title(), "Log in · tiphys");
  assert.equal(await page.locator(".event-row").count(), 0);
  await logIn(page, "token-of-ada");
  await settled(page);
  await page.locator(".event-row", { hasText: "release-sn" }).first().waitFor();
  assert.equal(new URL(page.url()).search, "?sensor=release-sn");
  assert.equal(await page.title(), "Events · tiphys");
  await page.getByText("playground/ada").waitFor();
  server.world.publish(6);
  await page.locator(".event-row", { hasText: "1243" }).waitFor();
  // The token is nowhere a script could find it again.
  const kept = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])");
  assert.doesNotMatch(kept as string, /token|session/);
  assert.deepEqual(unexpected(errors), []);
  await page.context().close();
});

test("a wrong token is said beside the field, which is emptied and has the focus", async () => {
  await using server = await standIn({ cluster: true });
  const { page } = await open(`${server.address}/objects`);
  await focused(page, "#token");
  await page.keyboard.type("token-of-eve");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("the cluster does not know this token").waitFor();
  await page.getByText("Perhaps it has expired").waitFor();
  await focused(page, "#token[aria-invalid=true]");
  assert.match((await page.locator("#token").getAttribute("aria-describedby")) ?? "", /token-error/);
  assert.equal(await page.locator("#token").inputValue(), "");
  await page.keyboard.type("t");
  await page.getByRole("alert").waitFor({ state: "detached" });
  await page.keyboard.press("Backspace");
  await logIn(page, "token-of-ada");
  await settled(page);
  await page.getByRole("link", { name: "playground/ingress-sn" }).waitFor();
  await page.context().close();
});

test("a session that ends in the middle asks again, and all is as it was", async () => {
  await using server = await standIn({ cluster: true });
  const { page, errors } = await open(`${server.address}/dead-letters?sensor=build-sn`);
  await logIn(page, "token-of-ada");
  await page.locator(".group").waitFor();
  await page.getByRole("button", { name: "Replay 2 …" }).focus();
  // No call is made: the stream alone finds out.
  server.world.endSessions();
  await page.getByText("Your session has ended").waitFor();
  await page.getByText("kubectl create token ada -n playground").waitFor();
  assert.equal(await page.locator(".group").isVisible(), false);
  await logIn(page, "token-of-ada");
  await settled(page);
  assert.equal(new URL(page.url()).search, "?sensor=build-sn");
  await counted(page, ".group", 1);
  await until(page, "document.activeElement.textContent.startsWith('Replay 2')");
  // A call finds out, with a dialog open.
  server.world.sessions.clear();
  await page.keyboard.press("Enter");
  await page.getByText("Your session has ended").waitFor();
  await page.locator("dialog").waitFor({ state: "detached" });
  await logIn(page, "token-of-ada");
  await page.locator(".group").waitFor();
  assert.deepEqual(await page.locator(".notice").allInnerTexts(), []);
  assert.deepEqual(unexpected(errors), []);
  await page.context().close();
});

test("what was written is there after the next login, if the same person comes", async () => {
  await using server = await standIn({ cluster: true });
  const { page } = await open(`${server.address}/compare`);
  await logIn(page, "token-of-ada");
  const editor = page.getByLabel("New manifests");
  for (const [token, left] of [
    ["token-of-ada", "kind: Sensor"],
    ["token-of-viewer", null],
  ] as const) {
    await editor.fill("kind: Sensor");
    server.world.endSessions();
    await logIn(page, token);
    await settled(page);
    assert.equal(left === null ? await editor.count() : await editor.inputValue(), left ?? 0);
  }
  await page.context().close();
});

test("who logs out sees nothing any more, and the next one sees what he may", async () => {
  await using server = await standIn({ cluster: true });
  const { page } = await open(`${server.address}/events`);
  await logIn(page, "token-of-ada");
  await page.getByText("harbour-svc").first().waitFor();
  await page.locator(".skip").focus();
  await tabTo(page, "Log out");
  await page.keyboard.press("Enter");
  await page.getByText("kubectl create token NAME -n NAMESPACE").waitFor();
  assert.equal(server.world.sessions.size, 0);
  await eventually("the stream is closed", () => server.world.streams.size === 0);
  assert.doesNotMatch(await page.content(), /harbour|event-row|Your session has ended/);
  await logIn(page, "token-of-viewer");
  await page.locator(".event-row").first().waitFor();
  assert.doesNotMatch(await page.content(), /harbour-svc/);
  await page.context().close();
});

test("who may not sees no value and no button on any page, and is told why once", async () => {
  await using server = await standIn({ cluster: true });
  const { page, errors } = await open(server.address);
  await logIn(page, "token-of-viewer");
  const acts = /^(Replay|Drop|Pause …|Resume|Send again|Explain|Save as test|Compare)/;
  const reasons: Record<string, string> = {
    "/dead-letters": "you may not create `replays`",
    "/dead-letters/41": "you may not delete dead letters",
    "/events": "you may not get `payloads`",
    "/events/1236": "Explain and Save as test are not offered: you may not get `payloads`",
    "/sensors/playground/ingress-sn": "you may not patch sensors",
    "/compare": "Compare is not offered here: you may not get `payloads`",
  };
  for (const path of PAGES) {
    await page.goto(server.address + path);
    await settled(page);
    await page
      .getByText(reasons[path] ?? "tiphys")
      .first()
      .waitFor();
    const text = await page.locator("#main").innerText();
    if (path !== "/try" && !path.startsWith("/sensors/")) {
      assert.doesNotMatch(
        text,
        /harbour-svc|body\.|is not between|parameters\[4\]|entrypoint|\bnull\b|undefined/,
        path,
      );
    }
    assert.ok(text.split("`payloads`").length <= 2, `${path} says it more than once`);
    assert.equal(await page.getByRole("button", { name: acts }).count(), 0, path);
    assert.equal(await page.locator(".error-text:empty, .sentence:empty, .code:empty").count(), 0, path);
    assert.deepEqual(await findings(page), [], path);
  }
  server.world.publish(2);
  await page.goto(`${server.address}/events`);
  await page.locator(".event-row", { hasText: "1241" }).waitFor();
  assert.doesNotMatch(await page.content(), /harbour-svc|is not between/);
  await page.goto(`${server.address}/dead-letters`);
  await counted(page, ".group", 2);
  await page.getByRole("button", { name: "Letters" }).first().click();
  await page.getByRole("link", { name: "41", exact: true }).waitFor();
  assert.deepEqual(unexpected(errors), []);
  await page.context().close();
});

test("who may not even look is told so, and the stream is not asked for again and again", async () => {
  await using server = await standIn({ cluster: true });
  const { page } = await open(`${server.address}/flow`);
  await logIn(page, "token-of-nobody");
  await page.getByText("a role has to allow it").first().waitFor();
  await page.getByText("the stream is refused").waitFor();
  await page.getByText("not allowed", { exact: true }).waitFor();
  const asked = server.world.refused;
  for (const path of ["/flow", "/events", "/objects", "/dead-letters"]) {
    await page.locator(`nav a[href="${path}"]`).click();
    await page.waitForURL(`**${path}`);
    await counted(page, ".notice.bad", 1);
    await counted(page, "main .empty[role=status]", 0);
  }
  // Twice, as the answer of a stream has to be asked for by another call.
  assert.equal(server.world.refused, asked);
  await page.getByRole("button", { name: "Now" }).click();
  await eventually("it is asked for again", () => server.world.refused === asked + 2);
  await page.context().close();
});

test("a console that is not in a cluster has no login", async () => {
  await using server = await standIn();
  const { page } = await open(`${server.address}/flow`);
  await settled(page);
  assert.equal(await page.getByRole("button", { name: "Log out" }).count(), 0);
  await page.context().close();
});

for (const colorScheme of ["light", "dark"] as const) {
  for (const width of [1280, 390]) {
    test(`the form for a token is sound in ${colorScheme} and ${width} pixels wide`, async () => {
      await using server = await standIn({ cluster: true });
      const { page } = await open(server.address, { colorScheme, viewport: { width, height: 844 } });
      await focused(page, "#token");
      assert.deepEqual(await findings(page), []);
      await shot(page, `login-${colorScheme}-${width}`);
      await page.keyboard.type("token-of-eve");
      await page.keyboard.press("Enter");
      await page.getByRole("alert").waitFor();
      assert.deepEqual(await findings(page), []);
      const isWide = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth");
      assert.equal(isWide, false, "the form is wider than the window");
      await shot(page, `wrong-${colorScheme}-${width}`);
      await logIn(page, "token-of-viewer");
      await settled(page);
      assert.deepEqual(await findings(page), []);
      const isWideAfter = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth");
      assert.equal(isWideAfter, false, "the page is wider than the window");
      await shot(page, `viewer-${colorScheme}-${width}`);
      await page.context().close();
    });
  }
}

/** A picture for who wants to look, in the folder that `TIPHYS_SCREENSHOTS` names. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env.TIPHYS_SCREENSHOTS;
  if (folder) {
    await page.screenshot({ path: `${folder}/${name}.png` });
  }
}
