import { createHash } from "node:crypto";
import type { ReportData } from "./report-data.ts";

/** What a page is put together from besides its data: made by set-up. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
}

/**
 * The report as one HTML document that loads nothing: its script and styles are in it, and its
 * policy allows those alone, by their digests, and no request at all.
 */
export function pageHtml(data: ReportData, { script, style }: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src '${sourceDigest(script)}'`,
    `style-src '${sourceDigest(style)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(data.title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<noscript>This report draws its charts with a script of its own, which is switched off.</noscript>
<script type="application/json" id="report-data">${escapeJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** JSON that ends no script element, whatever names are in it. */
function escapeJson(value: unknown): string {
  return JSON.stringify(value, shorter)
    .replace(/</g, "\\u003c")
    .replace(/>/g, "\\u003e")
    .replace(/&/g, "\\u0026")
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");
}

/** Digits that nobody sees, and no chart shows. */
const DIGITS_MAX = 9;

function shorter(_key: string, value: unknown): unknown {
  const isLong = typeof value === "number" && !Number.isInteger(value);
  return isLong ? Number(value.toPrecision(DIGITS_MAX)) : value;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

function sourceDigest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
