import { closeSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import type { ByteSink } from "../base/io.ts";
import { drainPipe } from "../migration/drain.ts";
import { throwIfInterrupted } from "../migration/interruption.ts";
import type { PumpCounts, PumpJob, SendPump } from "../migration/pump.ts";
import { countsOf } from "../migration/pump-counts.ts";
import { type PumpAddon, pumpError } from "../transport/pump-addon.ts";
import { makeCounters } from "../transport/pump-counters.ts";
import type { DomainSender, OpenXen, XenDomain } from "./addon.ts";
import { needPumpAddon } from "./pipes.ts";
import type { XenPvSource } from "./pv-addon.ts";

/** How often progress is looked at (ms). */
const PROGRESS_MS = 50;

/**
 * Sends a domain's pages straight out of mappings of its memory: a thread of the add-on asks for
 * the types of dirty frames, maps those with data, names pages of zeros and writes.
 *
 * Frames that hold nothing are left out: a receiver ignores them. Only page tables of PV domains
 * are ever deferred: those that change while they are read.
 */
export class DomainPump implements SendPump {
  readonly name = "native";
  readonly directBytes = 0;
  readonly #xen: OpenXen;
  readonly #pipes: PumpAddon = needPumpAddon();
  readonly #sender: DomainSender;
  readonly #sink: ByteSink;
  readonly #namesHoles: boolean;
  #isFirst = true;
  #isSuspended = false;

  constructor(parts: {
    readonly xen: OpenXen;
    readonly domain: XenDomain;
    readonly pv: XenPvSource | undefined;
    /** With a descriptor. */
    readonly sink: ByteSink;
    /** Octets a second; 0 is no limit. */
    readonly bytesPerSecondMax: number;
    /** Names frames that hold nothing, as Xen's own sender does. */
    readonly namesHoles: boolean;
  }) {
    const { xen, domain, pv, bytesPerSecondMax } = parts;
    this.#xen = xen;
    this.#sink = parts.sink;
    this.#namesHoles = parts.namesHoles;
    this.#sender = new xen.addon.Sender({ domain, pv, bytesPerSecondMax });
  }

  /** Says that the guest stands still: what cannot be sent from now on is a failure. */
  suspended(): void {
    this.#isSuspended = true;
  }

  drain(signal: AbortSignal): Promise<void> {
    return drainPipe(this.#pipes, this.#sink, signal);
  }

  async send(job: PumpJob): Promise<PumpCounts> {
    throwIfInterrupted(job.signal);
    const cancel = new this.#xen.addon.Cancel();
    const counters = makeCounters();
    const progress = setInterval(() => job.onProgress(countsOf(counters)), PROGRESS_MS);
    const onAbort = () => cancel.fire();
    job.signal.addEventListener("abort", onAbort);
    try {
      await this.#send(job, { cancel, counters });
    } finally {
      clearInterval(progress);
      job.signal.removeEventListener("abort", onAbort);
    }
    const counts = countsOf(counters);
    job.onProgress(counts);
    return counts;
  }

  async #send(job: PumpJob, means: Pick<SendJob, "cancel" | "counters">): Promise<void> {
    const { direct, offset } = this.#sink;
    // A descriptor of its own: the sink may be given up meanwhile.
    const fd = direct === undefined ? -1 : this.#pipes.duplicate(direct.fd);
    if (direct === undefined || fd < 0) {
      throw new MigrationError("TRANSPORT_LOST", { offset, closed: true });
    }
    const keepsSuperpages = this.#isFirst;
    this.#isFirst = false;
    try {
      const { value, failure } = await this.#sender.send({
        dirty: job.dirtyBitmap,
        deferred: this.#isSuspended ? undefined : job.deferredBitmap,
        elidesZeroPages: job.elidesZeroPages,
        namesHoles: this.#namesHoles,
        keepsSuperpages,
        fd,
        ...means,
      });
      throwIfInterrupted(job.signal);
      if (failure !== undefined) {
        const cause = pumpError(failure);
        const isOfDomain = cause !== undefined && failure.code !== "TRANSPORT_LOST";
        throw isOfDomain ? cause : new MigrationError("TRANSPORT_LOST", { offset }, cause);
      }
      direct.advance(value!);
    } finally {
      closeSync(fd);
    }
  }
}

type SendJob = Parameters<DomainSender["send"]>[0];
