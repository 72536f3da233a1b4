import { PAGE_BYTES } from "../../base/units.ts";
import type { Interval, Prediction } from "../../model/prediction.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import { renderTable } from "../../report/render.ts";
import type { PredictionReport } from "../commands/predict.ts";

/** What a migration would come to, for a terminal. */
export function renderPrediction(report: PredictionReport): string {
  return [
    renderGuest(report),
    renderCost(report),
    renderLink(report),
    "",
    renderTable(HEAD, report.predictions.map(predictionRow)),
    "",
    ...report.predictions.map(({ policy, stopReason }) => `${policy}: ${stopReason}`),
    renderChoice(report),
  ].join("\n");
}

function renderGuest({ guest, census, samples, dirtyCurve }: PredictionReport): string {
  const longestMs = Math.max(...samples.points.map(({ windowMs }) => windowMs));
  const told = dirtyCurve.map(({ windowMs, dirtyPages }) => {
    const size = formatBytes(dirtyPages * PAGE_BYTES);
    const beyond = windowMs > longestMs ? " (beyond what was seen)" : "";
    return `${size} in ${formatMs(windowMs)}${beyond}`;
  });
  const pages = `${formatCount(census.dataPages)} pages of data`;
  return [
    `${guest.name}: ${formatBytes(guest.memoryBytes)}, ${pages}; it dirties`,
    ...told.map((line) => `  ${line}`),
  ].join("\n");
}

function renderCost({ samples }: PredictionReport): string {
  const { before, meanwhile, after } = samples.stores;
  const [was, during, then] = [before, meanwhile, after].map((it) => formatCount(Math.round(it)));
  const change = before > 0 ? ((meanwhile / before - 1) * 100).toFixed(1) : "0.0";
  return (
    `what looking cost it: ${was} page stores a second before, ` +
    `${during} meanwhile (${change} %), ${then} after`
  );
}

function renderLink({ link, costs, probe }: PredictionReport): string {
  const limit = link.limiter === undefined ? "" : ", as limited";
  const how = probe === undefined ? "not measured" : `${probe.migrations} migrations measured`;
  return (
    `link: ${formatRate(link.bytesPerSecond)}${limit}; ` +
    `hand-over ${formatMs(costs.handoverMs)} (${how})`
  );
}

const HEAD = ["policy", "total time", "downtime", "iterations", "sent", "converges"];

function predictionRow(prediction: Prediction): readonly string[] {
  const { policy, totalMs, downtimeMs, iterations, bytes, converges, convergedShare } = prediction;
  return [
    policy,
    intervalText(totalMs, formatMs),
    intervalText(downtimeMs, formatMs),
    intervalText(iterations, String),
    intervalText(bytes, formatBytes),
    `${converges ? "yes" : "no"} (${Math.round(convergedShare * 100)} %)`,
  ];
}

function intervalText({ expected, low, high }: Interval, format: (value: number) => string) {
  const [middle, least, most] = [expected, low, high].map(format);
  return least === most ? middle! : `${middle} (${least} - ${most})`;
}

function renderChoice({ best, predictions, downtimeTargetMs }: PredictionReport): string {
  const converging = predictions.some(({ converges }) => converges);
  const missed = `; none gets to ${formatMs(downtimeTargetMs)}, unless --throttle slows it down`;
  return `choose: --policy ${best}${converging ? "" : missed}`;
}
