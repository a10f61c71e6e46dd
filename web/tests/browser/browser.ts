// The browser of the tests, and what is asked of pages.

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
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];

let browser: Browser | null = null;

export async function openBrowser(): Promise<void> {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  browser = await chromium.launch({ executablePath, args: FLAGS });
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
  page.setDefaultTimeout(10_000);
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
