import type { CpuIdentity } from "../../codec/cpu-policy.ts";
import { type CpuComparison, type CpuLevel, isRunnable } from "../../migration/cpu-levels.ts";
import { indented, printable, renderFields, wrapWords } from "../../report/fields.ts";
import type { Context } from "../context.ts";

/** What a guest was told, or what a CPU is. */
export function renderCpu(
  known: {
    readonly cpu: CpuIdentity;
    readonly features: readonly string[];
    readonly unnamed_features: readonly string[];
  },
  width: number,
): string {
  return [
    renderFields({ ...known.cpu }, width),
    ...renderNames("features", known.features, width),
    ...renderNames("features without a name", known.unnamed_features, width),
  ].join("\n");
}

/** What another side lacks, and the verdict. */
export function renderComparison(
  comparison: CpuComparison,
  against: string,
  width: number,
): string {
  const name = printable(against);
  const { lacking, lacking_unnamed, lacking_xstate, untold, differing } = comparison;
  return [
    ...renderNames(`${name} lacks`, lacking, width),
    ...renderNames(`${name} lacks, without a name`, lacking_unnamed, width),
    ...renderNames(`${name} lacks extended state`, lacking_xstate, width),
    ...(differing.length === 0 ? [] : [`${name} differs: ${differing.map(printable).join("; ")}`]),
    ...renderNames(`${name} has, and the guest was not told`, untold, width),
    ...(comparison.compares_msrs ? [] : ["ARCH_CAPABILITIES is not known of both: not compared"]),
    isRunnable(comparison)
      ? `${name} has all that the guest was told`
      : `the guest was told more than ${name} has`,
  ].join("\n");
}

/** The line alone on standard output; what it cannot say, as a note. */
export function renderLevel(level: CpuLevel, context: Context): string {
  if (level.unnamed.length > 0) {
    context.note(`not in the line, for lack of a name: ${level.unnamed.join(", ")}`);
  }
  return level.line;
}

function renderNames(title: string, names: readonly string[], width: number): readonly string[] {
  return names.length === 0 ? [] : [`${title}:`, indented(wrapWords(names, width - 2).join("\n"))];
}
