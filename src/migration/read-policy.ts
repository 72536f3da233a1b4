import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { type CpuidLeaf, decodeCpuidPolicy, decodeMsrPolicy } from "../codec/bodies.ts";
import { GUEST_TYPE, LIBXC_RECORD } from "../format/libxc.ts";
import type { KnownCpu } from "./cpu-levels.ts";
import { type ReadingOptions, watchedEvents } from "./verify-stream.ts";

/**
 * Reads what a saved guest was told of its CPU: of a stream, no more than its static data.
 *
 * @throws MigrationError STREAM_NO_POLICY; what reading the stream throws; the signal's reason.
 */
export async function readCpuPolicy(
  source: ByteSource,
  options: ReadingOptions,
): Promise<KnownCpu> {
  let leaves: readonly CpuidLeaf[] | undefined;
  let msrs: KnownCpu["msrs"];
  let kind: KnownCpu["kind"] = "hvm";
  for await (const event of watchedEvents(source, options)) {
    if (event.kind === "page-data") {
      break;
    }
    if (event.kind === "domain-header") {
      kind = event.header.guestType === GUEST_TYPE.X86_PV ? "pv" : "hvm";
    }
    if (event.kind !== "record" || event.layer !== "libxc") {
      continue;
    }
    if (event.type === LIBXC_RECORD.X86_CPUID_POLICY) {
      leaves = decodeCpuidPolicy(event);
    } else if (event.type === LIBXC_RECORD.X86_MSR_POLICY) {
      msrs = decodeMsrPolicy(event);
    } else if (event.type === LIBXC_RECORD.STATIC_DATA_END) {
      break;
    }
  }
  if (leaves === undefined) {
    throw new MigrationError("STREAM_NO_POLICY", { offset: source.offset });
  }
  return { leaves, msrs, kind };
}
