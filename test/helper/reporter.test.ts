import { expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { HelperReporter, reporterFor } from "../../src/helper/reporter.ts";
import { parseReport } from "../../src/report/report-schema.ts";

const MARK = "xenferry-report: ";

function heard() {
  const time = { nowMs: 0 };
  const lines: string[] = [];
  const reporter = new HelperReporter({ nowMs: () => time.nowMs }, (line) => lines.push(line));
  const events = () => lines.map((line) => parseReport(line.slice(MARK.length)));
  return { time, lines, events, reporter };
}

const pages = (pagesDone: number) =>
  ({ kind: "pages", iteration: 0, pagesDone, pagesPlanned: 9, bytes: 0 }) as const;

test("writes what its reader reads, a line each", () => {
  const { reporter, lines, events } = heard();
  reporter.started({ operation: "save", pid: 77, domid: 3 });
  reporter.step("suspended");
  reporter.ended();
  expect(
    lines.every((line) => line.startsWith(MARK) && line.indexOf("\n") === line.length - 1),
  ).toBe(true);
  expect(events()).toEqual([
    { event: "started", operation: "save", pid: 77, domid: 3, atMs: 0 },
    { event: "step", step: "suspended", atMs: 0 },
    { event: "ended", atMs: 0 },
  ]);
});

test("tells of pages ten times a second", () => {
  const { reporter, time, events } = heard();
  for (time.nowMs = 0; time.nowMs < 300; time.nowMs += 10) {
    reporter.progress(pages(1));
  }
  expect(events().map((event) => event?.atMs)).toEqual([0, 100, 200]);
});

test("tells a failure with its codes, facts and causes", () => {
  const { reporter, events } = heard();
  const cause = new Error("no space left");
  reporter.ended({ error: new MigrationError("TRANSPORT_LOST", { offset: 5n }, cause) });
  expect(events()).toMatchObject([
    { error: [{ code: "TRANSPORT_LOST", where: { offset: "5" } }, { message: "no space left" }] },
  ]);
});

test("writes no line that a pipe could part", () => {
  const { reporter, lines } = heard();
  reporter.ended({ error: new Error("x".repeat(10_000)) });
  reporter.step("y".repeat(10_000));
  expect(lines).toHaveLength(1);
  expect(Buffer.byteLength(lines[0]!)).toBeLessThan(4096);
});

test("says nothing unless it is asked, and does not mind that nobody reads", () => {
  const clock = { nowMs: () => 0 };
  const noSuchFd = 9999;
  expect(reporterFor(undefined, noSuchFd, clock).isHeard).toBe(false);
  const unread = reporterFor("stderr", noSuchFd, clock);
  expect(unread.isHeard).toBe(true);
  expect(() => unread.step("suspended")).not.toThrow();
});
