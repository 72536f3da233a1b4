import { renderTable } from "#dist/report/render.js";
import type { Results } from "./results.ts";

/** A figure of two result files. */
interface Figure {
  readonly name: string;
  readonly better: "more" | "less";
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** How a figure changed: "within the spread" where the two ranges touch. */
export type Verdict = "better" | "worse" | "within the spread";

/**
 * What changed between two result files: for every figure of both the ratio of medians. A change
 * counts only where the ranges of the two, least to most, have nothing in common.
 */
export function renderComparison(before: Results, after: Results): string {
  const old = new Map(figuresOf(before).map((figure) => [figure.name, figure]));
  const rows = figuresOf(after).flatMap((figure) => {
    const earlier = old.get(figure.name);
    return earlier === undefined ? [] : [rowOf(earlier, figure)];
  });
  const found = new Set(figuresOf(after).map(({ name }) => name));
  const gone = [...old.keys()].filter((name) => !found.has(name));
  return [
    `from ${titleOf(before)}`,
    `to   ${titleOf(after)}`,
    ...differences(before, after).map((what) => `not the same ${what}: look at ratios only`),
    "",
    renderTable(["figure", "old", "new", "new / old", "change"], rows),
    ...gone.map((name) => `only in the old one: ${name}`),
  ].join("\n");
}

/** Judges a change by medians and ranges. */
export function judge(before: Omit<Figure, "name">, after: Omit<Figure, "name">): Verdict {
  if (before.least <= after.most && after.least <= before.most) {
    return "within the spread";
  }
  return after.median > before.median === (after.better === "more") ? "better" : "worse";
}

function figuresOf({ measurements, migrations }: Results): readonly Figure[] {
  const timings = measurements.map(({ case: name, engine, timing }): Figure => {
    const { medianMs, marginPercent } = timing;
    const marginMs = (medianMs * marginPercent) / 100;
    return {
      name: `${name}, ${engine}: ms`,
      better: "less",
      median: medianMs,
      least: medianMs - marginMs,
      most: medianMs + marginMs,
    };
  });
  const rest = migrations.flatMap(({ case: name, columns, better, contestants }) => {
    const { key, head } = columns[0]!;
    return contestants.flatMap(({ name: contestant, figures }) => {
      const spread = figures[key];
      return spread === undefined
        ? []
        : [{ name: `${name}, ${contestant}: ${head}`, better, ...spread }];
    });
  });
  return [...timings, ...rest];
}

function rowOf(before: Figure, after: Figure): readonly string[] {
  const ratio = before.median === 0 ? "-" : (after.median / before.median).toFixed(2);
  const medians = [before.median, after.median].map((median) => median.toPrecision(3));
  return [after.name, ...medians, ratio, judge(before, after)];
}

function titleOf({ startedAt, commit, isCommitClean }: Results): string {
  return `${startedAt}, commit ${commit.slice(0, 12)}${isCommitClean ? "" : " and changes"}`;
}

function differences(before: Results, after: Results): readonly string[] {
  const parts = [
    ["processor", ({ machine }: Results) => `${machine.cpuCount} ${machine.cpu}`],
    ["memory", ({ machine }: Results) => machine.memoryBytes],
    ["kernel", ({ machine }: Results) => machine.kernel],
    ["Node", ({ nodeVersion }: Results) => nodeVersion],
    ["guest size", ({ guestMemoryBytes }: Results) => guestMemoryBytes],
  ] as const;
  return parts.filter(([, of]) => of(before) !== of(after)).map(([what]) => what);
}
