import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import type { SourceMemory } from "../guest/types.ts";
import { type PumpAddon, type PumpFailure, pumpError } from "../transport/pump-addon.ts";
import { throwIfInterrupted } from "./interruption.ts";
import type { PumpCounts, PumpJob, SendPump } from "./pump.ts";

/** How often progress is looked at (ms). */
const PROGRESS_MS = 50;

/** Entries of the add-on's counters. Twin: native/pump/counters.h. */
const COUNTER = { PAGES_SENT: 0, PAGES_ALLOCATE_ONLY: 1, PAGES_UNCHANGED: 2, BYTES: 3, SCAN_NS: 4 };
const COUNTER_COUNT = 5;

interface Parts {
  readonly addon: PumpAddon;
  readonly memory: SourceMemory;
  readonly sink: ByteSink;
  /** 0 is no limit. */
  readonly bytesPerSecondMax: number;
}

/**
 * Makes the native pump: threads that scan, form batches and write them, while this one watches.
 *
 * @param parts memory with windows all of whose pages can be sent at any time; a sink with a
 *   descriptor.
 */
export function createNativePump(parts: Parts): SendPump {
  const { windows } = parts.memory;
  const { bytesPerSecondMax } = parts;
  const sender = new parts.addon.Sender({ windows, bytesPerSecondMax });
  return {
    name: "native",
    send: async (job) => {
      const cancel = new parts.addon.Cancel();
      const counters = new BigUint64Array(COUNTER_COUNT);
      const progress = setInterval(() => job.onProgress(countsOf(counters)), PROGRESS_MS);
      const onAbort = () => cancel.fire();
      job.signal.addEventListener("abort", onAbort);
      const pipe = openPipe(parts);
      try {
        throwIfInterrupted(job.signal);
        const { failure } = await sender.send({
          fd: pipe.fd,
          ...(pipe.isPositioned && { position: parts.sink.offset }),
          dirty: job.dirtyBitmap,
          ...(job.populatedBitmap && { populated: job.populatedBitmap }),
          elidesZeroPages: job.elidesZeroPages,
          counters,
          cancel,
        });
        throwFailure(job, failure, parts.sink.offset);
      } finally {
        pipe.close(Number(counters[COUNTER.BYTES]));
        clearInterval(progress);
        job.signal.removeEventListener("abort", onAbort);
      }
      const counts = countsOf(counters);
      job.onProgress(counts);
      return counts;
    },
  };
}

/** A descriptor of our own on the sink, which may be closed by others meanwhile. */
function openPipe({ addon, sink }: Parts) {
  const direct = sink.direct;
  const fd = direct === undefined ? -1 : addon.duplicate(direct.fd);
  if (direct === undefined || fd < 0) {
    throw new MigrationError("TRANSPORT_LOST", { offset: sink.offset, closed: true });
  }
  return {
    fd,
    isPositioned: direct.isPositioned,
    close: (byteCount: number) => {
      direct.advance(byteCount);
      closeSync(fd);
    },
  };
}

function throwFailure(job: PumpJob, failure: PumpFailure | undefined, offset: number): void {
  if (failure !== undefined) {
    throwIfInterrupted(job.signal);
    throw new MigrationError("TRANSPORT_LOST", { offset }, pumpError(failure));
  }
}

function countsOf(counters: BigUint64Array): PumpCounts {
  return {
    pagesSent: Number(counters[COUNTER.PAGES_SENT]),
    pagesAllocateOnly: Number(counters[COUNTER.PAGES_ALLOCATE_ONLY]),
    pagesDeferred: 0,
    bytes: Number(counters[COUNTER.BYTES]),
    scanMs: Number(counters[COUNTER.SCAN_NS]) / 1e6,
  };
}
