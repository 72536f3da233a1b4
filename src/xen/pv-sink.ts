import { MigrationError } from "../base/errors.ts";
import {
  type BodySource,
  decodeP2mFrames,
  decodePvInfo,
  decodeVcpuContext,
} from "../codec/bodies.ts";
import type { RecordEvent } from "../codec/events.ts";
import {
  LIBXC_RECORD,
  SHARED_INFO_BYTES,
  VCPU_BASIC_BYTES,
  VCPU_EXTENDED_BYTES_MAX,
  VCPU_MSR_BYTES,
  VCPU_XSAVE_BYTES_MIN,
} from "../format/libxc.ts";
import type { RestoreJob } from "../helper/backend.ts";
import type { RestoreResults } from "../helper/libxl-channel.ts";
import { resultOf, type XenDomain } from "./addon.ts";
import type { PvVcpu, XenPvMemory } from "./pv-addon.ts";
import type { DomainSink, SinkParts } from "./sink.ts";

/** The part of a vCPU that each record type brings. */
const VCPU_PART: Readonly<Record<number, keyof PvVcpu>> = {
  [LIBXC_RECORD.X86_PV_VCPU_BASIC]: "basic",
  [LIBXC_RECORD.X86_PV_VCPU_EXTENDED]: "extended",
  [LIBXC_RECORD.X86_PV_VCPU_XSAVE]: "xsave",
  [LIBXC_RECORD.X86_PV_VCPU_MSRS]: "msrs",
};

const NOTHING = new Uint8Array(0);
const NO_STATE: PvVcpu = { basic: NOTHING, extended: NOTHING, xsave: NOTHING, msrs: NOTHING };

/**
 * A PV guest on its way into a domain. vCPUs wait for the memory that they refer to.
 *
 * @throws MigrationError GUEST_HOST_CALL, GUEST_STATE, RECORD_LENGTH, RECORD_VALUE from each member
 * @source xg_sr_restore_x86_pv.c
 */
export class PvSink implements DomainSink {
  readonly memory: XenPvMemory;
  readonly #domain: XenDomain;
  readonly #job: RestoreJob;
  readonly #vcpus = new Map<number, PvVcpu>();
  #guestWidth: 4 | 8 = 8;

  constructor({ domain, memory, job }: SinkParts<XenPvMemory>) {
    this.memory = memory;
    this.#domain = domain;
    this.#job = job;
  }

  take(event: RecordEvent): boolean {
    switch (event.type) {
      case LIBXC_RECORD.X86_PV_INFO:
        this.#takeInfo(event);
        return true;
      case LIBXC_RECORD.X86_PV_P2M_FRAMES:
        resultOf(this.memory.setP2mFrames(decodeP2mFrames(event)));
        return true;
      case LIBXC_RECORD.SHARED_INFO:
        expectLength(event, event.body.length === SHARED_INFO_BYTES);
        resultOf(this.memory.restoreSharedInfo(event.body));
        return true;
      default:
        return this.#takeVcpu(event);
    }
  }

  async finish(): Promise<RestoreResults> {
    const { storeEvtchn, consoleEvtchn, storeDomid, consoleDomid } = this.#job;
    const vcpus = [...this.#vcpus].map(([vcpuId, vcpu]) => ({ ...vcpu, vcpuId }));
    const ending = { vcpus, storeEvtchn, consoleEvtchn };
    const rings = resultOf(await this.memory.complete(ending));
    resultOf(this.#domain.seedGrants({ isHvm: false, ...rings, consoleDomid, storeDomid }));
    return rings;
  }

  #takeInfo(event: RecordEvent): void {
    const { guestWidth, ptLevels } = decodePvInfo(event);
    const isKnown = (guestWidth === 4 && ptLevels === 3) || (guestWidth === 8 && ptLevels === 4);
    if (!isKnown) {
      throw new MigrationError("RECORD_VALUE", { ...placeOf(event), guestWidth, ptLevels });
    }
    this.#guestWidth = guestWidth;
    resultOf(this.memory.setWidth(guestWidth));
  }

  /** Old senders wrote records without content by mistake. */
  #takeVcpu(event: RecordEvent): boolean {
    const part = VCPU_PART[event.type];
    if (part === undefined) {
      return false;
    }
    const { vcpuId, context } = decodeVcpuContext(event);
    if (context.length > 0) {
      expectLength(event, this.#fits(part, context.length));
      const vcpu = this.#vcpus.get(vcpuId) ?? NO_STATE;
      this.#vcpus.set(vcpuId, { ...vcpu, [part]: context.slice() });
    }
    return true;
  }

  #fits(part: keyof PvVcpu, contextBytes: number): boolean {
    switch (part) {
      case "basic":
        return contextBytes === VCPU_BASIC_BYTES[this.#guestWidth];
      case "extended":
        return contextBytes <= VCPU_EXTENDED_BYTES_MAX;
      case "xsave":
        return contextBytes >= VCPU_XSAVE_BYTES_MIN;
      case "msrs":
        return contextBytes % VCPU_MSR_BYTES === 0;
    }
  }
}

function placeOf({ offset, layer, name }: BodySource) {
  return { offset, layer, record: name };
}

function expectLength(event: RecordEvent, isRight: boolean): void {
  if (!isRight) {
    throw new MigrationError("RECORD_LENGTH", { ...placeOf(event), bodyBytes: event.body.length });
  }
}
