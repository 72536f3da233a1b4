import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import { type CpuidLeaf, decodeCpuidPolicy, decodeMsrPolicy } from "../codec/bodies.ts";
import type { CpuLeaves } from "../codec/cpu-policy.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { type ReadingOptions, watchedEvents } from "./verify-stream.ts";

/**
 * Reads what a saved guest was told of its CPU: of a stream, no more than its static data.
 *
 * @throws MigrationError STREAM_NO_POLICY; what reading the stream throws; the signal's reason.
 */
export async function readCpuPolicy(
  source: ByteSource,
  options: ReadingOptions,
): Promise<CpuLeaves> {
  let leaves: readonly CpuidLeaf[] | undefined;
  let msrs: CpuLeaves["msrs"];
  for await (const event of watchedEvents(source, options)) {
    if (event.kind === "page-data") {
      break;
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
  return { leaves, msrs };
}
