import { expect, test } from "vitest";
import type { ReportLine } from "../../src/report/report-lines.ts";
import { ReportReader } from "../../src/xl/report-reader.ts";

const STEP = '{"event":"step","step":"suspended","atMs":12.5}';
const REPORT = `xenferry-report: ${STEP}\n`;

/** What a reader makes of chunks. */
function read(...chunks: readonly string[]) {
  const reports: ReportLine[] = [];
  const text: string[] = [];
  const reader = new ReportReader({
    report: (line) => reports.push(line),
    text: (line) => text.push(line),
  });
  for (const chunk of chunks) {
    reader.take(Buffer.from(chunk));
  }
  reader.end();
  return { reports, text };
}

test("parts reports from text", () => {
  expect(read(`one\n${REPORT}two\n`)).toEqual({
    reports: [{ event: "step", step: "suspended", atMs: 12.5 }],
    text: ["one", "two"],
  });
});

test("puts a line together that a report was written into", () => {
  expect(read(`xc: ${REPORT}error: ${REPORT}broken\n`)).toMatchObject({
    reports: [{ step: "suspended" }, { step: "suspended" }],
    text: ["xc: error: broken"],
  });
});

test("reads what comes octet by octet, and has no line feed", () => {
  const all = [...Buffer.from(`ü${REPORT}`)].map((octet) => Buffer.of(octet).toString("latin1"));
  expect(read(...all).reports).toHaveLength(1);
  expect(read("half", " a line").text).toEqual(["half a line"]);
});

test.each([
  "not JSON",
  "{}",
  '{"event":"step","atMs":1}',
  '{"event":"started","operation":"save","pid":-1,"domid":1,"atMs":1}',
  '{"event":"step","step":"x","atMs":"soon"}',
])("takes %s for text", (json) => {
  expect(read(`xenferry-report: ${json}\n`)).toEqual({
    reports: [],
    text: [`xenferry-report: ${json}`],
  });
});

test("lets nothing through that steers a terminal", () => {
  expect(read("\u001b[31mred\u0007 \r\n").text).toEqual(["[31mred"]);
});

test("keeps no more of an endless line than of a long one", () => {
  const chunk = "x".repeat(100_000);
  const { text } = read(...Array.from({ length: 50 }, () => chunk));
  expect(text).toHaveLength(1);
  expect(text[0]!.length).toBeLessThanOrEqual(200_000);
});
