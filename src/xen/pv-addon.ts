import type { PumpResult } from "../transport/pump-addon.ts";
import type { DomainMemory } from "./addon.ts";

/** A PV vCPU as the X86_PV_VCPU_* records hold it; empty where there is no record. */
export interface PvVcpu {
  /** With pfns for mfns. */
  readonly basic: Uint8Array;
  readonly extended: Uint8Array;
  readonly xsave: Uint8Array;
  readonly msrs: Uint8Array;
}

/**
 * What a PV domain's frames are translated by while it is saved. Nothing else may be asked before
 * `load` has succeeded. What fails does so with GUEST_HOST_CALL, or with GUEST_FRAMES where the
 * guest's own tables do not hold together.
 */
export interface XenPvSource {
  /** Finds the guest's p2m, again where it has moved. */
  load(): PumpResult<undefined>;
  /** Octets of a guest word: 4 or 8. */
  width(): number;
  /** pfns of the frames that the p2m is in. */
  p2mPfns(): BigUint64Array;
  /** pfns are below. */
  pfnCount(): number;
  /** Whether the p2m is no longer where `load` found it. */
  hasMoved(): boolean;
  /** The page that guest and hypervisor share, as it is now. */
  sharedInfo(): Uint8Array;
  vcpuCount(): PumpResult<number>;
  /** `undefined` for a vCPU that is offline. */
  vcpu(vcpuId: number): PumpResult<PvVcpu | undefined>;
}

/** What the end of a stream brings. */
export interface PvEnding {
  readonly vcpus: readonly (PvVcpu & { readonly vcpuId: number })[];
  readonly storeEvtchn: number;
  readonly consoleEvtchn: number;
}

/**
 * Memory of a PV domain under construction. What fails does so with GUEST_HOST_CALL, GUEST_STATE,
 * RECORD_VALUE where the stream is at fault, or ORDER_DEPENDENCY before `setWidth`.
 */
export interface XenPvMemory extends DomainMemory {
  /** Makes the empty domain one of 4 or 8 octets a word. */
  setWidth(width: number): PumpResult<undefined>;
  /** Says which frames hold the p2m entries of `startPfn` to `endPfn`. */
  setP2mFrames(frames: {
    readonly startPfn: number;
    readonly endPfn: number;
    readonly p2mPfns: BigUint64Array;
  }): PumpResult<undefined>;
  /** Takes the 4096 octets of SHARED_INFO. */
  restoreSharedInfo(page: Uint8Array): PumpResult<undefined>;
  /** Makes the guest whole when all pages have come; resolves with the frames of its rings. */
  complete(
    ending: PvEnding,
  ): Promise<PumpResult<{ readonly storeGfn: bigint; readonly consoleGfn: bigint }>>;
}
