import { type CpuIdentity, type CpuLeaves, cpuFeatures, cpuIdentity } from "../codec/cpu-policy.ts";
import {
  ACCUMULATED_FEATURES,
  DYNAMIC_FEATURES,
  EMULATED_FEATURES,
  FEATURE_WORDS,
  HVM_FEATURES,
  HVM_XSTATE,
  xlFeatureName,
} from "../format/cpuid-features.ts";

/** Leaves, and whose they are: what a guest of a kind was told, or a CPU itself. */
export interface KnownCpu extends CpuLeaves {
  readonly kind: "pv" | "hvm" | "cpu";
}

/** What a guest was told of its CPU and another CPU does not have. */
export interface CpuComparison {
  /** Features that the guest may use and the other side lacks. */
  readonly lacking: readonly string[];
  /** Bits without a name, of the same kind. */
  readonly lacking_unnamed: readonly string[];
  /** Components of extended state, of the same kind. */
  readonly lacking_xstate: readonly string[];
  /** Warnings and remedies that the guest should see there, and was not told of. */
  readonly untold: readonly string[];
  /** Another vendor, and sizes of addresses that are smaller at the other side. */
  readonly differing: readonly string[];
  /** Whether features told by registers were compared; their values may be unknown. */
  readonly compares_msrs: boolean;
}

/** What several CPUs have in common. */
export interface CpuLevel {
  readonly common: readonly string[];
  /** Features that some have and others lack. */
  readonly removed: readonly string[];
  /** Warnings and remedies that some have: all guests must see them. */
  readonly forced: readonly string[];
  /** Bits without a name that some have and others lack, which no name can switch off. */
  readonly unnamed: readonly string[];
  /** The line that gives a guest no more than all have. */
  readonly line: string;
}

/** Names of features that registers tell. */
const MSR_FEATURES: ReadonlySet<string> = new Set(
  FEATURE_WORDS.filter(({ from }) => from.kind === "msr").flatMap(({ names }) =>
    names.filter((name) => name !== undefined),
  ),
);

/** Compares what a guest was told with another CPU, or with what another guest was told. */
export function compareCpus(guest: KnownCpu, other: KnownCpu): CpuComparison {
  const [told, there] = [cpuFeatures(guest), cpuFeatures(other)];
  const lacking = told.names.filter(
    (name) => tells(other, name) && !there.names.includes(name) && !ACCUMULATED_FEATURES.has(name),
  );
  const untold = there.names.filter(
    (name) => tells(guest, name) && ACCUMULATED_FEATURES.has(name) && !told.names.includes(name),
  );
  const [mine, theirs] = [cpuIdentity(guest), cpuIdentity(other)];
  const counts = (component: string) => other.kind !== "pv" || !HVM_XSTATE.has(component);
  return {
    lacking,
    lacking_unnamed: told.unnamed.filter((bit) => !there.unnamed.includes(bit)),
    lacking_xstate: mine.xstate.filter((name) => counts(name) && !theirs.xstate.includes(name)),
    untold,
    differing: identityDifferences(mine, theirs),
    compares_msrs: guest.msrs !== undefined && other.msrs !== undefined,
  };
}

/** Whether a guest can run on the other side as it was compared. */
export function isRunnable(comparison: CpuComparison): boolean {
  const { lacking, lacking_unnamed, lacking_xstate, differing } = comparison;
  return [lacking, lacking_unnamed, lacking_xstate, differing].every((list) => list.length === 0);
}

/**
 * Finds what all CPUs have, and the line of an xl.cfg that keeps a guest to that. What a guest is
 * not told for its kind, or a CPU does not tell, is left to the others.
 *
 * @param cpus at least one.
 * @source xl.cfg(5), "cpuid"; what is not named stays as the host has it
 */
export function levelCpus(cpus: readonly KnownCpu[]): CpuLevel {
  const features = cpus.map(cpuFeatures);
  const all = FEATURE_WORDS.flatMap(({ names }) => names.filter((name) => name !== undefined));
  const has = (name: string) => features.some(({ names }) => names.includes(name));
  const lacks = (name: string) =>
    cpus.some((cpu, index) => tells(cpu, name) && !features[index]!.names.includes(name));
  const told = all.filter((name) => !DYNAMIC_FEATURES.has(name) && has(name));
  const differing = told.filter(lacks);
  const removed = differing.filter((name) => !ACCUMULATED_FEATURES.has(name));
  const forced = differing.filter((name) => ACCUMULATED_FEATURES.has(name));
  const bits = [...new Set(features.flatMap(({ unnamed }) => unnamed))];
  const settings = [
    "host",
    ...removed.map((name) => `${xlFeatureName(name)}=0`),
    ...forced.map((name) => `${xlFeatureName(name)}=1`),
  ];
  return {
    common: told.filter((name) => !lacks(name)),
    removed,
    forced,
    unnamed: bits.filter((bit) => !features.every(({ unnamed }) => unnamed.includes(bit))),
    line: `cpuid="${settings.join(",")}"`,
  };
}

/** Whether the lack of a feature there means anything. */
function tells({ kind, msrs }: KnownCpu, name: string): boolean {
  return !(
    DYNAMIC_FEATURES.has(name) ||
    (msrs === undefined && MSR_FEATURES.has(name)) ||
    (kind === "pv" && HVM_FEATURES.has(name)) ||
    (kind === "cpu" && EMULATED_FEATURES.has(name))
  );
}

function identityDifferences(mine: CpuIdentity, theirs: CpuIdentity): readonly string[] {
  const sizes = ["physical_address_bits", "linear_address_bits"] as const;
  const narrower = sizes.filter((size) => theirs[size] > 0 && theirs[size] < mine[size]);
  return [
    ...(theirs.vendor === mine.vendor ? [] : [`vendor ${theirs.vendor}, not ${mine.vendor}`]),
    ...narrower.map((size) => `${size} ${theirs[size]}, not ${mine[size]}`),
  ];
}
