import { PAGE_BYTES } from "../base/units.ts";
import type { P2mFrames } from "../codec/bodies.ts";
import { GUEST_TYPE } from "../format/libxc.ts";
import { FrameStates, type FrameStatesOptions } from "./frame-states.ts";
import type { PvVcpu } from "./verify-pv-vcpu.ts";

/** What the configuration in xl's header says that restore goes by. */
export interface ConfigFacts {
  readonly type: string | undefined;
  readonly vcpusMax: number | undefined;
  /** What the guest may have besides what libxl adds. */
  readonly memoryKib: number | undefined;
  /** Whether there is a device model, whose state has to come. */
  readonly hasDeviceModel: boolean;
}

/** Memory that libxl lets a guest have beyond its target. @source libxl LIBXL_MAXMEM_CONSTANT */
const MEMORY_EXTRA_KIB = 1024;
const KIB_PER_PAGE = PAGE_BYTES / 1024;

/** A guest as restoring makes it from what has come of its stream. */
export class IncomingGuest {
  config: ConfigFacts | undefined;
  /** As libxc's domain header says. */
  guestType: number | undefined;
  /** Octets of a guest word, as X86_PV_INFO says. */
  guestWidth: 4 | 8 | undefined;
  /** Bits of a guest's physical address, as X86_CPUID_POLICY says. */
  addressBits: number | undefined;
  /** Whether something has been told that restore stops at: what follows may be its consequence. */
  isRefused = false;
  /** Whether any X86_PV_VCPU_BASIC has come. */
  hasVcpuBasic = false;
  /** Whether VERIFY has come: pages are compared from then on. */
  isVerifying = false;
  readonly frames: FrameStates;
  readonly p2m = new P2mList();
  /** vCPUs with a record of registers, by number. */
  readonly vcpus = new Map<number, PvVcpu>();
  /** vCPU records that have come since the last checkpoint, by type and number. */
  readonly vcpuRecords = new Set<string>();
  /** Frames that HVM_PARAMS names, with the offset of the record. */
  readonly paramFrames = new Map<string, { readonly pfn: number; readonly offset: number }>();

  constructor(options: FrameStatesOptions) {
    this.frames = new FrameStates(options);
  }

  get isPv(): boolean {
    return this.guestType === GUEST_TYPE.X86_PV;
  }

  /** The highest frame there may be; `undefined` where that is not known. */
  get pfnMax(): number | undefined {
    if (this.isPv) {
      return this.p2m.pfnMax;
    }
    return this.addressBits === undefined ? undefined : 2 ** (this.addressBits - 12) - 1;
  }

  /** Frames that may have memory; `undefined` where no configuration says so. */
  get framesMax(): number | undefined {
    const memoryKib = this.config?.memoryKib;
    return memoryKib === undefined
      ? undefined
      : Math.floor((memoryKib + MEMORY_EXTRA_KIB) / KIB_PER_PAGE);
  }
}

/** The frames that a PV guest's table of frames is made of, as X86_PV_P2M_FRAMES lists them. */
export class P2mList {
  readonly #pfns = new Map<number, bigint>();
  #pfnMax: number | undefined;
  /** Of the last record. */
  offset = 0;

  /** The highest frame that the table has room for; `undefined` before there is one. */
  get pfnMax(): number | undefined {
    return this.#pfnMax;
  }

  /** Takes a record. @source xg_sr_restore_x86_pv.c handle_x86_pv_p2m_frames */
  add({ startPfn, endPfn, p2mPfns }: P2mFrames, entriesPerFrame: number): void {
    const first = Math.floor(startPfn / entriesPerFrame);
    p2mPfns.forEach((pfn, index) => {
      this.#pfns.set(first + index, pfn);
    });
    this.#pfnMax = Math.max(endPfn, this.#pfnMax ?? 0);
  }

  /** The frames in order, until one is missing, which is `undefined` and the last. */
  *frames(entriesPerFrame: number): Generator<bigint | undefined, void, undefined> {
    const count = this.#pfnMax === undefined ? 0 : Math.floor(this.#pfnMax / entriesPerFrame) + 1;
    for (let index = 0; index < count; index++) {
      const pfn = this.#pfns.get(index);
      yield pfn;
      if (pfn === undefined) {
        return;
      }
    }
  }
}
