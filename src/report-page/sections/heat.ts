import type { ReportRun } from "../../report/report-run.ts";
import { heatMap } from "../heat-map.ts";
import type { Section } from "../section.ts";

/** Where in memory the guest wrote. */
export function heatSection({ heat }: ReportRun): Section | undefined {
  return heat === undefined || heat.rows.every(({ dirtyPages }) => dirtyPages.length === 0)
    ? undefined
    : { id: "heat", title: "Memory", content: [heatMap(heat)] };
}
