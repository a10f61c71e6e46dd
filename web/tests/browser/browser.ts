// The browser of the tests, and what is asked of pages.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { startStandIn } from "../stand-in.mjs";

/** One address of each page, as the literals have them. */
export const PAGES = [
  "/flow",
  "/events",
  "/events/1236",
  "/events/1237",
  "/objects",
  "/sensors/playground/ingress-sn",
  "/sources/github-workflow/code-es",
  "/buses/playground/jetstream-eb",
  "/dead-letters",
  "/dead-letters/41",
  "/try",
  "/compare",
];

const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
];

/** The longest wait for anything, in milliseconds: machines are slow at times, and a wait that succeeds ends at once. */
const PATIENCE = 60_000;

let browser: Browser | null = null;

export async function openBrowser(): Promise<void> {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  for (let attempt = 1; browser === null; attempt += 1) {
    try {
      browser = await chromium.launch({ executablePath, args: FLAGS, timeout: 2 * PATIENCE });
    } catch (error) {
      if (attempt === 3) {
        throw error;
      }
    }
  }
}

export async function closeBrowser(): Promise<void> {
  await browser?.close();
}

/** Opens an address in a window of its own; `errors` gathers what the console and the page say is wrong. */
export async function open(
  address: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; errors: string[] }> {
  if (!browser) {
    throw new Error("the browser is not open");
  }
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      errors.push(message.text());
    }
  });
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(address);
  return { page, errors };
}

/** Waits until something is so. */
export async function eventually(what: string, is: () => unknown): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (!(await is())) {
    assert.ok(Date.now() < end, `not within ${PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Waits until an expression of the page is true; the policy forbids the page itself to evaluate one. */
export async function until(page: Page, expression: string): Promise<void> {
  await eventually(expression, () => page.evaluate(expression));
}

/** Waits until so many parts of the page are what a selector says. */
export async function counted(page: Page, selector: string, count: number): Promise<void> {
  await eventually(`${count} × ${selector}`, async () => (await page.locator(selector).count()) === count);
}

/** Waits until a page shows what it has read. */
export async function settled(page: Page): Promise<void> {
  await page.getByText("live", { exact: true }).waitFor();
  const isRead = `!!document.querySelector("main h1") && !document.querySelector("main .empty[role=status], [aria-busy=true]")`;
  await until(page, isRead);
}

/** Presses `g` and a key until the page is at `path`: on a slow machine the two may come too far apart. */
export async function goByKey(page: Page, key: string, path: string): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (new URL(page.url()).pathname !== path) {
    assert.ok(Date.now() < end, `g ${key} does not lead to ${path}`);
    await page.keyboard.press("g");
    await page.keyboard.press(key);
  }
}

/** Presses Tab until what is called so has the focus. */
export async function tabTo(page: Page, name: string): Promise<void> {
  for (let at = 0; at < 200; at += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(`document.activeElement.textContent.trim() === ${JSON.stringify(name)}`)) {
      return;
    }
  }
  assert.fail(`no way by Tab to ${name}`);
}

/** What the focus is on. */
export async function focused(page: Page, selector: string): Promise<void> {
  await until(page, `document.activeElement?.matches(${JSON.stringify(selector)})`);
}

export type StandIn = Awaited<ReturnType<typeof startStandIn>>;

/** A server that ends with the block it is used in. */
export async function standIn(options: Parameters<typeof startStandIn>[0] = {}): Promise<StandIn & AsyncDisposable> {
  const server = await startStandIn(options);
  return { ...server, [Symbol.asyncDispose]: server.close };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Finding {
  id: string;
  impact: string;
  nodes: { target: unknown[]; failureSummary: string }[];
}

/** What axe finds that is serious or worse. */
export async function findings(page: Page): Promise<string[]> {
  // Evaluated by the debugger, which no policy of the page forbids.
  await page.evaluate(axe);
  const { violations } = (await page.evaluate("axe.run()")) as { violations: Finding[] };
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.flat()} ${node.failureSummary}`).join(" | ")}`,
    );
}
