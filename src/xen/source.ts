import type { RecordParts } from "../codec/record.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import { hvmSource } from "./hvm-source.ts";
import type { XenPvSource } from "./pv-addon.ts";
import { pvSource } from "./pv-source.ts";

/**
 * What the kinds of domain differ in on their way out.
 *
 * @throws MigrationError GUEST_HOST_CALL, GUEST_FRAMES from each member
 */
export interface DomainSource {
  /** Of the domain header. */
  readonly guestType: number;
  /** Frames that may have memory are below. */
  readonly frameCount: number;
  /** What frames are translated by; `undefined` where they need none. */
  readonly pv: XenPvSource | undefined;
  /** What comes before the policies of CPUs. */
  readonly infoRecords: readonly RecordParts[];
  /** What comes between STATIC_DATA_END and memory. */
  readonly startRecords: readonly RecordParts[];
  /** What comes behind memory; the guest is suspended. */
  stateRecords(): readonly RecordParts[];
  /** Throws where the guest did what makes all that was sent worthless. */
  check(): void;
}

/** Looks what kind of domain it is. @throws MigrationError GUEST_LOST, and as its members */
export function sourceOf(xen: OpenXen, domain: XenDomain): DomainSource {
  const { isHvm } = resultOf(domain.info());
  return isHvm ? hvmSource(domain) : pvSource(xen, domain);
}

/**
 * All records before a guest's memory.
 *
 * @throws MigrationError GUEST_HOST_CALL
 * @source xg_sr_common_x86.c, write_x86_cpu_policy_records; xg_sr_save.c, save
 */
export function recordsBeforeMemory(
  domain: XenDomain,
  source: DomainSource,
): readonly RecordParts[] {
  const { cpuid, msr } = resultOf(domain.cpuPolicies());
  return [
    ...source.infoRecords,
    ...unlessEmpty(LIBXC_RECORD.X86_CPUID_POLICY, cpuid),
    ...unlessEmpty(LIBXC_RECORD.X86_MSR_POLICY, msr),
    { type: LIBXC_RECORD.STATIC_DATA_END, body: new Uint8Array(0) },
    ...source.startRecords,
  ];
}

function unlessEmpty(type: number, body: Uint8Array): readonly RecordParts[] {
  return body.length === 0 ? [] : [{ type, body }];
}
