import { MigrationError } from "../base/errors.ts";
import type { HvmParams } from "../codec/bodies.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { MissingStaticData, RestoreResults } from "../helper/libxl-channel.ts";
import { resultOf, type XenDomain } from "./addon.ts";
import { HVM_PARAM } from "./hvm-params.ts";

/**
 * State of an HVM or PVH guest on its way into a domain: some of it is taken at once, some when
 * all else is there.
 *
 * @throws MigrationError GUEST_HOST_CALL, GUEST_STATE from each member
 * @source xg_sr_restore_x86_hvm.c, xg_sr_common_x86.c
 */
export class HvmState {
  readonly #domain: XenDomain;
  readonly #job: RestoreJob;
  #cpuid = new Uint8Array(0);
  #msr = new Uint8Array(0);
  #context: Uint8Array | undefined;
  #storeGfn = 0n;
  #consoleGfn = 0n;

  constructor(domain: XenDomain, job: RestoreJob) {
    this.#domain = domain;
    this.#job = job;
  }

  takeCpuidPolicy(body: Uint8Array<ArrayBuffer>): void {
    this.#cpuid = body;
  }

  takeMsrPolicy(body: Uint8Array<ArrayBuffer>): void {
    this.#msr = body;
  }

  /** Gives the domain the policies there were; says which were missing. */
  applyPolicies(): MissingStaticData {
    const missing = { cpuid: this.#cpuid.length === 0, msr: this.#msr.length === 0 };
    if (!missing.cpuid || !missing.msr) {
      resultOf(this.#domain.setCpuPolicies(this.#cpuid, this.#msr));
    }
    return missing;
  }

  /** The context waits: it refers to the memory, and to params. */
  takeContext(body: Uint8Array): void {
    this.#context = body;
  }

  applyParams({ params }: HvmParams): void {
    for (const { index, value } of params) {
      this.#clearRing(Number(index), value);
      // It was never more than a message between two parts of the toolstack.
      if (Number(index) !== HVM_PARAM.PAE_ENABLED) {
        resultOf(this.#domain.setHvmParam(Number(index), value));
      }
    }
  }

  /** Completes the guest. @returns where xenstore and console meet it. */
  finish(): RestoreResults {
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
