import type { ReportData } from "../report/report-data.ts";
import type { ReportRun } from "../report/report-run.ts";
import { element } from "./dom.ts";
import { choice, contents, type Section, sectionElement } from "./section.ts";
import { comparisonSection } from "./sections/comparison.ts";
import { downtimeSection } from "./sections/downtime.ts";
import { heatSection } from "./sections/heat.ts";
import { iterationsSection } from "./sections/iterations.ts";
import { summarySection } from "./sections/summary.ts";
import { sweepSection } from "./sections/sweep.ts";
import { timelineSection } from "./sections/timeline.ts";
import { whatIfSection } from "./sections/what-if.ts";
import { ThemeWatch } from "./theme.ts";

/** Draws the page from the data that is embedded in it. */
function main(): void {
  const embedded = document.getElementById("report-data")?.textContent ?? "";
  const data = JSON.parse(embedded) as ReportData;
  const theme = new ThemeWatch();
  const common = commonSections(data, theme);
  const runRoom = element("div", {});
  const nav = element("div", { class: "contents" });
  const show = (run: ReportRun | undefined) => {
    const own = run === undefined ? [] : runSections(run, theme);
    runRoom.replaceChildren(...own.map(sectionElement));
    nav.replaceChildren(contents([...common, ...own]));
  };
  const body = element(
    "main",
    { id: "content" },
    ...common.map(sectionElement),
    runChoice(data.runs, show),
    runRoom,
  );
  document.body.append(
    element("a", { class: "skip", href: "#content" }, "To the content"),
    header(data, theme),
    nav,
    body,
    element("footer", {}, `made by xenferry ${data.xenferry}, ${data.madeAt}`),
  );
  show(data.runs[0]);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

function header({ title }: ReportData, theme: ThemeWatch): HTMLElement {
  return element("header", {}, element("h1", {}, title), theme.button());
}

/** Sections that are not of one run. */
function commonSections({ runs, sweeps }: ReportData, theme: ThemeWatch): readonly Section[] {
  const comparison = comparisonSection(runs, theme);
  return [
    ...sweeps.map((sweep, index) => sweepSection(sweep, index, theme)),
    ...(comparison === undefined ? [] : [comparison]),
  ];
}

function runSections(run: ReportRun, theme: ThemeWatch): readonly Section[] {
  return [
    summarySection(run),
    iterationsSection(run),
    timelineSection(run, theme),
    heatSection(run),
    downtimeSection(run),
    whatIfSection(run),
  ].filter((section) => section !== undefined);
}

/** Which run is shown, where there are several. */
function runChoice(
  runs: readonly ReportRun[],
  show: (run: ReportRun | undefined) => void,
): HTMLElement | undefined {
  if (runs.length < 2) {
    return undefined;
  }
  const names = runs.map(({ label }, index) => [String(index), label] as const);
  const { label } = choice("Run", names, (value) => show(runs[Number(value)]));
  return element("div", { class: "run-choice" }, label);
}

main();
