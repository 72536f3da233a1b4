import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
];

/** The browser that tests of pages use: XENFERRY_CHROMIUM, or one of the machine's. */
export function chromiumPath(): string | undefined {
  const { XENFERRY_CHROMIUM } = process.env;
  return XENFERRY_CHROMIUM ?? PLACES.find((place) => existsSync(place));
}

/** Why tests are skipped without it. */
export const NO_CHROMIUM = "needs Chromium: Debian's package, or XENFERRY_CHROMIUM";

/** Starts it, without a window and without a network. */
export function launchChromium(executablePath: string): Promise<Browser> {
  const args = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"];
  return chromium.launch({ executablePath, args });
}
