import { MigrationError } from "../base/errors.ts";
import { decodeHvmParams, type HvmParams } from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { RestoreResults } from "../helper/libxl-channel.ts";
import { type DomainMemory, resultOf, type XenDomain } from "./addon.ts";
import { HVM_PARAM } from "./hvm-params.ts";
import type { DomainSink, SinkParts } from "./sink.ts";

/**
 * An HVM or PVH guest on its way into a domain: some of its state is taken at once, some when all
 * else is there.
 *
 * @throws MigrationError GUEST_HOST_CALL, GUEST_STATE from each member
 * @source xg_sr_restore_x86_hvm.c, xg_sr_common_x86.c
 */
export class HvmSink implements DomainSink {
  readonly memory: DomainMemory;
  readonly #domain: XenDomain;
  readonly #job: RestoreJob;
  #context: Uint8Array | undefined;
  #storeGfn = 0n;
  #consoleGfn = 0n;

  constructor({ domain, memory, job }: SinkParts<DomainMemory>) {
    this.memory = memory;
    this.#domain = domain;
    this.#job = job;
  }

  /** The context waits: it refers to the memory, and to params. */
  take(event: RecordEvent): boolean {
    switch (event.type) {
      case LIBXC_RECORD.HVM_PARAMS:
        this.#applyParams(decodeHvmParams(event));
        return true;
      case LIBXC_RECORD.HVM_CONTEXT:
        this.#context = event.body.slice();
        return true;
      default:
        return false;
    }
  }

  #applyParams({ params }: HvmParams): void {
    for (const { index, value } of params) {
      this.#clearRing(Number(index), value);
      // It was never more than a message between two parts of the toolstack.
      if (Number(index) !== HVM_PARAM.PAE_ENABLED) {
        resultOf(this.#domain.setHvmParam(Number(index), value));
      }
    }
  }

  async finish(): Promise<RestoreResults> {
    const { storeEvtchn, consoleEvtchn, storeDomid, consoleDomid } = this.#job;
    const consoleGfn = this.#consoleGfn;
    const storeGfn = this.#storeGfn;
    resultOf(this.#domain.setHvmParam(HVM_PARAM.STORE_EVTCHN, BigInt(storeEvtchn)));
    resultOf(this.#domain.setHvmParam(HVM_PARAM.CONSOLE_EVTCHN, BigInt(consoleEvtchn)));
    if (this.#context === undefined) {
      throw new MigrationError("GUEST_STATE", { record: "HVM_CONTEXT", isMissing: true });
    }
    resultOf(this.#domain.setHvmContext(this.#context));
    const seeds = { isHvm: true, consoleGfn, storeGfn, consoleDomid, storeDomid };
    resultOf(this.#domain.seedGrants(seeds));
    return { storeGfn, consoleGfn };
  }

  /** Rings that the other end will fill again start empty. */
  #clearRing(index: number, gfn: bigint): void {
    switch (index) {
      case HVM_PARAM.CONSOLE_PFN:
        this.#consoleGfn = gfn;
        resultOf(this.#domain.clearConsole(gfn));
        return;
      case HVM_PARAM.STORE_PFN:
        this.#storeGfn = gfn;
        resultOf(this.#domain.clearPage(gfn));
        return;
      case HVM_PARAM.IOREQ_PFN:
      case HVM_PARAM.BUFIOREQ_PFN:
        // While an emulator uses them they are no frames of the guest, and are not in the stream.
        this.#domain.clearPage(gfn);
        return;
      default:
    }
  }
}
