import { isPolicyName } from "../../model/policies/choose.ts";
import type { SimulatedMigration } from "../../model/simulate.ts";
import { formatBytes, formatCount, formatMs, formatRate } from "../../report/format.ts";
import type { ReportRun } from "../../report/report-run.ts";
import { dataTable } from "../data-table.ts";
import { element } from "../dom.ts";
import { choice, type Section } from "../section.ts";
import { type Question, type WhatIf, whatIfOf } from "../what-if.ts";

/** Sliders go so many steps, each a factor. */
const STEPS = 400;
const BANDWIDTH_FACTOR = 32;
const DOWNTIME_MS_MIN = 1;
const DOWNTIME_MS_MAX = 30_000;

/** What would have been with another link, target or policy. */
export function whatIfSection(run: ReportRun): Section | undefined {
  const whatIf = whatIfOf(run);
  return (
    whatIf && {
      id: "what-if",
      title: "What if",
      content: [
        element(
          "p",
          {},
          "A model of this run, made from what its iterations sent and how fast pages became ",
          "dirty: move the sliders, and it says what would have come of it.",
        ),
        controls(run, whatIf),
      ],
    }
  );
}

function controls(run: ReportRun, whatIf: WhatIf): HTMLElement {
  const { asMeasured } = whatIf;
  let question: Question = asMeasured;
  const result = element("div", { class: "answer", "aria-live": "polite" });
  const answer = () => showAnswer(result, run, whatIf, question);
  const ask = (change: Partial<Question>) => {
    question = { ...question, ...change };
    answer();
  };
  const bandwidth = slider(
    {
      name: "Bandwidth",
      from: asMeasured.bytesPerSecond / BANDWIDTH_FACTOR,
      to: asMeasured.bytesPerSecond * BANDWIDTH_FACTOR,
      format: formatRate,
    },
    (bytesPerSecond) => ask({ bytesPerSecond }),
  );
  const downtime = slider(
    {
      name: "Downtime target",
      from: Math.min(DOWNTIME_MS_MIN, asMeasured.downtimeTargetMs),
      to: Math.max(DOWNTIME_MS_MAX, asMeasured.downtimeTargetMs),
      format: formatMs,
    },
    (downtimeTargetMs) => ask({ downtimeTargetMs }),
  );
  const policies = whatIf.policies.map((name) => [name, name] as const);
  const policy = choice("Policy", policies, (name) => {
    if (isPolicyName(name)) {
      ask({ policy: name });
    }
  });
  const reset = element("button", { type: "button" }, "As it was");
  const asItWas = () => {
    bandwidth.set(asMeasured.bytesPerSecond);
    downtime.set(asMeasured.downtimeTargetMs);
    policy.select.value = asMeasured.policy;
    ask(asMeasured);
  };
  reset.addEventListener("click", asItWas);
  asItWas();
  const all = [bandwidth.label, downtime.label, policy.label, reset];
  return element(
    "div",
    { "data-chart": "what-if" },
    element("div", { class: "sliders" }, ...all),
    result,
  );
}

interface SliderRange {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly format: (value: number) => string;
}

/** A slider whose steps are factors. */
function slider({ name, from, to, format }: SliderRange, onMove: (value: number) => void) {
  const input = element("input", { type: "range", min: 0, max: STEPS, step: 1 });
  const text = element("output", {});
  const show = (value: number) => {
    text.textContent = format(value);
    input.setAttribute("aria-valuetext", format(value));
  };
  input.addEventListener("input", () => {
    const value = from * (to / from) ** (Number(input.value) / STEPS);
    show(value);
    onMove(value);
  });
  const set = (value: number) => {
    input.value = String(Math.round((Math.log(value / from) / Math.log(to / from)) * STEPS));
    show(value);
  };
  return { label: element("label", {}, `${name} `, input, text), set };
}

function showAnswer(room: HTMLElement, run: ReportRun, whatIf: WhatIf, question: Question): void {
  const then = whatIf.ask(question);
  const same = whatIf.ask(whatIf.asMeasured);
  const rows: readonly (readonly [string, string, string, string])[] = [
    row("total time", [then.totalMs, same.totalMs, run.totalMs], formatMs),
    row("downtime", [then.downtimeMs, same.downtimeMs, run.downtime!.totalMs], formatMs),
    row(
      "iterations while it runs",
      [then.iterations.length, same.iterations.length, precopyCount(run)],
      String,
    ),
    row("sent", [then.totalBytes, same.totalBytes, run.totalBytes], formatBytes),
  ];
  room.replaceChildren(
    element("p", { class: "verdict" }, verdict(then, question)),
    dataTable({
      caption: "What the model says, and what was measured",
      head: ["", "then", "model, as it was", "measured"],
      rows,
    }),
    dataTable({
      caption: "Iterations then",
      head: ["iteration", "pages", "time", "dirty at end"],
      rows: then.iterations.map(({ iteration, pagesSent, durationMs, dirtyPagesAtEnd }) => [
        String(iteration),
        formatCount(pagesSent),
        formatMs(durationMs),
        dirtyPagesAtEnd === "unknown" ? "–" : formatCount(dirtyPagesAtEnd),
      ]),
    }),
  );
}

function precopyCount({ iterations }: ReportRun): number {
  return iterations.filter(({ phase }) => phase === "precopy").length;
}

function row(
  name: string,
  values: readonly [number, number, number],
  format: (value: number) => string,
): readonly [string, string, string, string] {
  const [then, same, measured] = values;
  return [name, format(then), format(same), format(measured)];
}

function verdict(then: SimulatedMigration, { downtimeTargetMs }: Question): string {
  const { downtimeMs, stopReason, action } = then;
  if (action === "abort") {
    return `The migration is given up: ${stopReason}.`;
  }
  const outcome = downtimeMs <= downtimeTargetMs ? "met" : "missed";
  return (
    `The target of ${formatMs(downtimeTargetMs)} is ${outcome}: ${formatMs(downtimeMs)}. ` +
    `Pre-copy ends because: ${stopReason}.`
  );
}
