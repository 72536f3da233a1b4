import type { PolicyResult, TraceComparison } from "../../model/compare.ts";
import type { BestStop } from "../../model/regret.ts";
import { formatBytes, formatMs } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";

const HEAD = ["policy", "iterations", "downtime", "total time", "sent", "regret ms", "slowed by"];

/** What policies made of a trace: a table, and why each stopped. */
export function renderComparison({ trace, best, results }: TraceComparison): string {
  const source = trace.source === undefined ? [] : [`  from ${trace.source}`];
  const assumed = trace.assumed === undefined ? [] : [`  assumed: ${trace.assumed}`];
  return [
    `${trace.name}: ${trace.about}`,
    ...source,
    ...assumed,
    renderTable(HEAD, [bestRow(best), ...results.map(resultRow)]),
    ...results.map(({ policy, stopReason }) => `  ${policy}: ${stopReason}`),
  ].join("\n");
}

function bestRow({ iterations, point }: BestStop): readonly string[] {
  return ["best possible", ...outcomeCells(iterations, point), "0", "-"];
}

function resultRow(result: PolicyResult): readonly string[] {
  const { policy, action, iterations, regretMs, throttlePercent } = result;
  const name = action === "abort" ? `${policy} (given up)` : policy;
  const slowed = throttlePercent === 0 ? "-" : `${throttlePercent} %`;
  return [name, ...outcomeCells(iterations.length, result), regretMs?.toFixed(1) ?? "-", slowed];
}

function outcomeCells(
  iterations: number,
  { downtimeMs, totalMs, totalBytes }: BestStop["point"],
): readonly string[] {
  return [`${iterations}`, formatMs(downtimeMs), formatMs(totalMs), formatBytes(totalBytes)];
}
