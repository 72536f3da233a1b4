import { MigrationError } from "../base/errors.ts";
import type { RecordEvent } from "../codec/events.ts";
import { GUEST_TYPE } from "../format/libxc.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { RestoreResults } from "../helper/libxl-channel.ts";
import { type DomainMemory, type OpenXen, resultOf, type XenDomain } from "./addon.ts";
import { HvmSink } from "./hvm-sink.ts";
import { PvSink } from "./pv-sink.ts";

/**
 * What the kinds of guest differ in on their way into a domain.
 *
 * @throws MigrationError GUEST_HOST_CALL, GUEST_STATE, RECORD_LENGTH, RECORD_VALUE from each member
 */
export interface DomainSink {
  readonly memory: DomainMemory;
  /** Takes a record that only guests of this kind have; false for others. */
  take(event: RecordEvent): boolean;
  /** Completes the guest. @returns where xenstore and console meet it. */
  finish(): Promise<RestoreResults>;
}

/** What a sink is made of. */
export interface SinkParts<Memory extends DomainMemory> {
  readonly domain: XenDomain;
  readonly memory: Memory;
  readonly job: RestoreJob;
}

/**
 * A sink for guests of the type that the stream's domain header says.
 *
 * @throws MigrationError GUEST_UNAVAILABLE where the domain is not made for them; GUEST_LOST
 */
export function sinkFor(
  guestType: number,
  { xen, domain, job }: { readonly xen: OpenXen } & Omit<SinkParts<DomainMemory>, "memory">,
): DomainSink {
  const { isHvm } = resultOf(domain.info());
  if (isHvm !== (guestType === GUEST_TYPE.X86_HVM)) {
    const kind = isHvm ? "an HVM or PVH" : "a PV";
    const reason = `the stream is of another kind of guest, and the domain is ${kind} domain`;
    throw new MigrationError("GUEST_UNAVAILABLE", { domid: job.domid, reason });
  }
  return isHvm
    ? new HvmSink({ domain, job, memory: new xen.addon.Memory(domain) })
    : new PvSink({ domain, job, memory: new xen.addon.PvMemory(domain) });
}
