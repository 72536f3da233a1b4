import { MigrationError } from "../base/errors.ts";
import { NO_SUBLEAF } from "../format/cpuid-features.ts";
import { probeHost } from "./host.ts";

/** One leaf of CPUID, as policies hold it. */
interface HostLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** First leaf of each range; what it says in eax is the range's last. */
const RANGES = [0, 0x8000_0000] as const;

/** No CPU has as many leaves in a range; more would be nonsense. */
const RANGE_LEAVES_MAX = 64;

/** Leaves that are asked for with each of some subleaves. */
const SUBLEAVES: ReadonlyMap<number, readonly number[]> = new Map([
  [0x7, [0, 1, 2]],
  [0xd, [0, 1]],
]);

/**
 * Reads the CPUID leaves of this machine's CPU, as programs see them.
 *
 * @throws MigrationError GUEST_UNAVAILABLE there is no CPUID, or no add-on to read it with.
 */
export function readHostCpuid(): readonly HostLeaf[] {
  const { addon, reason } = probeHost();
  const read = (leaf: number, subleaf: number): HostLeaf => {
    const registers = addon?.readCpuid(leaf, subleaf === NO_SUBLEAF ? 0 : subleaf);
    if (registers === undefined) {
      const why = reason ?? "this machine's CPU has no CPUID";
      throw new MigrationError("GUEST_UNAVAILABLE", { kind: "host", reason: why });
    }
    const [eax = 0, ebx = 0, ecx = 0, edx = 0] = registers;
    return { leaf, subleaf, eax, ebx, ecx, edx };
  };
  return RANGES.flatMap((first) => {
    const last = Math.min(read(first, NO_SUBLEAF).eax, first + RANGE_LEAVES_MAX - 1);
    const numbers = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
    return numbers.flatMap((leaf) =>
      (SUBLEAVES.get(leaf) ?? [NO_SUBLEAF]).map((subleaf) => read(leaf, subleaf)),
    );
  });
}
