import type { MigrationError } from "../base/errors.ts";
import type { TscInfo } from "../codec/bodies.ts";
import type { Answer, Need } from "../codec/steps.ts";
import type { LegacyWidth } from "../format/legacy.ts";

/** Type of guest in a legacy stream; its first octets tell, no field does. */
export type LegacyGuest = "pv" | "hvm";

/** What a stream's first octets tell. */
export interface LegacyHead {
  readonly width: LegacyWidth;
  readonly guest: LegacyGuest;
  /** One past the highest frame number. */
  readonly pfnCount: number;
  /** Whether xend saved it, with a configuration of its own, which is left out. */
  readonly isFromXend: boolean;
}

/** Where it starts, in octets from the start of the input, decompressed. */
interface Placed {
  readonly offset: number;
}

/** The first event. */
export interface LegacyStartEvent extends Placed, LegacyHead {
  readonly kind: "start";
}

/** PV guests only: its word size and the frames of its p2m. The second event. */
export interface LegacyPvEvent extends Placed {
  readonly kind: "pv";
  readonly guestWidth: 4 | 8;
  readonly p2mPfns: BigUint64Array;
}

/** Any chunk but a batch; for who wants to tell what is in a stream. */
export interface LegacyChunkEvent extends Placed {
  readonly kind: "chunk";
  readonly id: number;
}

/**
 * A batch without the entries that say nothing, decompressed. Arrays are valid until the next
 * event.
 */
export interface LegacyPagesEvent extends Placed {
  readonly kind: "pages";
  /** At least one, each below `pfnCount`, none twice. */
  readonly pfns: Uint32Array;
  /** Page type of each of `pfns`, by Migration v2's numbers, which are the same. */
  readonly types: Uint8Array;
  /** 4096 octets for each of `types` that has data, in order. */
  readonly pages: Uint8Array;
}

export interface LegacyTscEvent extends Placed {
  readonly kind: "tsc";
  readonly info: TscInfo;
}

/** A piece of guest physical memory that the device model has moved. @source libxl_dom.c */
export interface LegacyPhysmap {
  readonly physOffset: bigint;
  readonly startAddress: bigint;
  readonly sizeBytes: bigint;
  /** Latin1; `undefined` for one without. */
  readonly name: string | undefined;
}

export interface LegacyParam {
  readonly index: bigint;
  readonly value: bigint;
}

/** Registers of an online vCPU of a PV guest, opaque. */
export interface LegacyVcpu {
  readonly vcpuId: number;
  readonly basic: Uint8Array;
  readonly extended: Uint8Array | undefined;
  readonly xsave: Uint8Array | undefined;
}

/** The device model's state as it stands in the stream. */
export interface LegacyEmulator {
  /** Signature, and the length where it has one: what stands before `state`. */
  readonly head: Uint8Array;
  readonly state: Uint8Array;
}

/** What follows a checkpoint's pages, in memory of its own. */
export type LegacyTail =
  | {
      readonly guest: "pv";
      /** In rising order of their ids; at least one. */
      readonly vcpus: readonly LegacyVcpu[];
      readonly sharedInfo: Uint8Array;
    }
  | {
      readonly guest: "hvm";
      readonly params: readonly LegacyParam[];
      readonly context: Uint8Array;
      /** `undefined` if it was to be left in the input. */
      readonly emulator: LegacyEmulator | undefined;
    };

/**
 * A consistent state of the guest: all pages so far, and this. A plain save has one, Remus one
 * after the other.
 */
export interface LegacyCheckpointEvent extends Placed {
  readonly kind: "checkpoint";
  readonly params: readonly LegacyParam[];
  readonly physmap: readonly LegacyPhysmap[];
  readonly tail: LegacyTail;
}

/**
 * The last event of a stream that broke off, or went wrong, after a complete checkpoint: pages
 * since that are not to be used. An input that just ends there has no such event.
 */
export interface LegacyDiscardedEvent extends Placed {
  readonly kind: "discarded";
  readonly error: MigrationError;
}

/** What a reader of legacy streams finds, in their order. */
export type LegacyEvent =
  | LegacyStartEvent
  | LegacyPvEvent
  | LegacyChunkEvent
  | LegacyPagesEvent
  | LegacyTscEvent
  | LegacyCheckpointEvent
  | LegacyDiscardedEvent;

/** A reader of legacy streams as a generator without I/O, as `Steps` of the codec. */
export type LegacySteps<Result> = Generator<Need | LegacyEvent, Result, Answer>;
