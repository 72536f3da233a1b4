import type { MemoryComparison } from "../../migration/diff/compare-memory.ts";
import type { StateComparison, StateDifference } from "../../migration/diff/compare-state.ts";
import type { Diff, PageDiff, PageOfOne } from "../../migration/diff/diff.ts";
import { STATE_AREAS, type StateArea } from "../../migration/diff/state.ts";
import { printable } from "../../report/fields.ts";
import { formatCount } from "../../report/format.ts";
import { renderHexDifference, renderHexDump } from "../../report/hex-dump.ts";

/** Lines of an area, and of memory, that are shown; `--json` has more. */
const LINES_MAX = 100;

/** Characters of a value that are shown. */
const VALUE_CHARACTERS_MAX = 60;

const AREA_TITLES: Readonly<Record<StateArea, string>> = {
  headers: "headers",
  config: "configuration",
  cpuid: "CPUID policy",
  msr: "MSR policy",
  tsc: "time stamp counter",
  params: "HVM params",
  hvm: "HVM context",
  pv: "PV guest",
  vcpus: "vCPUs",
  "shared-info": "shared info",
  xenstore: "xenstore",
  emulator: "device model",
  records: "other records",
};

/** How two guests differ, as text. */
export function renderDiff({ isEqual, state, memory }: Diff): string {
  const lines = [
    ...(state === undefined ? [] : stateLines(state)),
    ...(memory === undefined ? [] : memoryLines(memory)),
  ];
  const looked = [
    ...(state === undefined ? [] : [`${formatCount(state.compared)} fields`]),
    ...(memory === undefined ? [] : [`${formatCount(memory.frames.a)} frames`]),
  ];
  const left = state?.ignored ?? 0;
  const ignored = left === 0 ? "" : `; left out ${formatCount(left)} fields (--ignore)`;
  lines.push(`${isEqual ? "equal" : "different"}: compared ${looked.join(" and ")}${ignored}`);
  return lines.join("\n");
}

function stateLines({ differences, differing }: StateComparison): readonly string[] {
  const lines = STATE_AREAS.flatMap((area) => {
    const own = differences.filter((difference) => difference.area === area);
    if (own.length === 0) {
      return [];
    }
    const shown = own.slice(0, LINES_MAX).map(differenceLine).map(printable);
    const more = own.length - shown.length;
    return [
      `${AREA_TITLES[area]}: ${formatCount(own.length)} ${own.length === 1 ? "differs" : "differ"}`,
      ...shown,
      ...(more > 0 ? [`  and ${formatCount(more)} more (--json)`] : []),
    ];
  });
  const omitted = differing - differences.length;
  return omitted === 0 ? lines : [...lines, `and ${formatCount(omitted)} more fields`];
}

function differenceLine({ path, a, b, octets }: StateDifference): string {
  if (octets !== undefined) {
    const { differing, first, bytes } = octets;
    const sizes = bytes.a === bytes.b ? `${bytes.a}` : `${bytes.a} and ${bytes.b}`;
    return `  ${path}: ${differing} of ${sizes} octets differ, the first at ${first}`;
  }
  if (a === undefined || b === undefined) {
    return `  ${path}: only in ${a === undefined ? "B" : "A"}: ${valueText(a ?? b)}`;
  }
  return `  ${path}: ${valueText(a)} -> ${valueText(b)}`;
}

/** Text with blanks is in quotes. */
function valueText(value: StateDifference["a"]): string {
  const isWord = typeof value !== "string" || /^\S+$/.test(value);
  const text = isWord ? String(value) : `"${value}"`;
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}…` : text;
}

function memoryLines({ frames, differing, by, ranges, rangeCount }: MemoryComparison) {
  if (differing === 0) {
    return [];
  }
  const kinds = Object.entries(by)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind} ${formatCount(count)}`);
  const shown = ranges.slice(0, LINES_MAX).map(({ firstPfn, frameCount, kind }) => {
    const last = firstPfn + frameCount - 1;
    const end = frameCount === 1 ? "" : `-0x${last.toString(16)}`;
    return `  0x${firstPfn.toString(16)}${end}: ${kind}`;
  });
  const more = rangeCount - shown.length;
  const total = formatCount(Math.max(frames.a, frames.b));
  return [
    `memory: ${formatCount(differing)} of ${total} frames differ (${kinds.join(", ")})`,
    ...shown,
    ...(more > 0 ? [`  and ${formatCount(more)} more ranges (--json has 1,000)`] : []),
  ];
}

/** A page of two guests: the lines that differ, or the page of the one that has it. */
export function renderPageDiff({ pfn, isEqual, a, b, differing }: PageDiff): string {
  const title = `frame 0x${pfn.toString(16)}: A ${stateText(a)}, B ${stateText(b)}`;
  if (isEqual) {
    return `${title}: equal`;
  }
  const [pageA, pageB] = [a?.page, b?.page];
  if (pageA !== undefined && pageB !== undefined) {
    const lines = differing === 0 ? [] : [renderHexDifference(pageA, pageB)];
    return [`${title}: ${formatCount(differing ?? 0)} octets differ`, ...lines].join("\n");
  }
  const page = pageA ?? pageB;
  return page === undefined ? title : `${title}\n${renderHexDump(page)}`;
}

function stateText(side: PageOfOne | undefined): string {
  if (side === undefined) {
    return "not named";
  }
  return side.page === undefined ? `${side.pageType}, no memory` : side.pageType;
}
