import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { MigrationError } from "../base/errors.ts";
import { type PageParts, pageHtml } from "../report/page-html.ts";
import type { ReportData } from "../report/report-data.ts";
import { openOutput } from "../transport/file-sink.ts";

/** Where set-up puts what every page has in it. */
const PAGE_FOLDER = new URL("../../dist/report-page/", import.meta.url);

/**
 * Writes a report's page; a file has its name only when it is complete.
 *
 * @param folder where the page's script and styles are.
 * @returns its length in octets. @throws MigrationError REPORT_PAGE, TRANSPORT_OPEN, TRANSPORT_LOST
 */
export async function writeReportPage(
  output: string,
  data: ReportData,
  folder: URL = PAGE_FOLDER,
): Promise<number> {
  const html = Buffer.from(pageHtml(data, await pageParts(folder)));
  const sink = await openOutput(output);
  try {
    await sink.write(html);
    await sink.end();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  return html.length;
}

async function pageParts(folder: URL): Promise<PageParts> {
  const read = (name: string) => readFile(fileURLToPath(new URL(name, folder)), "utf8");
  try {
    const [script, style] = await Promise.all([read("page.js"), read("page.css")]);
    return { script, style };
  } catch (error) {
    throw new MigrationError("REPORT_PAGE", {}, error);
  }
}
