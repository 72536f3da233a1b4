import { type AddonProbe, probeAddon } from "../base/addon.ts";
import { type ErrorCode, MigrationError } from "../base/errors.ts";
import type { Window } from "../base/window.ts";
import type { PumpCounters } from "./pump-counters.ts";

/** Version of the add-on's interface; the add-on carries the same number. */
const ABI_VERSION = 5;

/** A wish to stop: `fire` may come at any moment and is kept. */
export interface PumpCancel {
  fire(): void;
}

/** The pages of one guest on their way out: what all its iterations share. */
export interface PumpSender {
  /** @param mode from now on: {@link COMPRESSION_MODE}; only `none` where `hasZstd` is not true. */
  pack(mode: number): void;
}

/** Whether batches are packed. Twin: CompressionMode of native/pump/compression.h. */
export const COMPRESSION_MODE = { none: 0, zstd: 1, auto: 2 } as const;

/** How pages of a file are read and written: through the page cache, past it, or as is faster. */
export type FileAccess = "auto" | "cached" | "direct";

/** One pass over dirty pages. The memory stays as it is until all its promises are settled. */
export interface PumpIteration {
  /**
   * Sends pages that nobody else has claimed, until there are none; resolves with the octets sent.
   * Any number at once, each to a descriptor of its own.
   */
  send(lane: {
    readonly fd: number;
    /** Where a file goes on; absent for sockets and pipes. */
    readonly position?: number;
    readonly cancel: PumpCancel;
  }): Promise<PumpResult<number>>;
  /**
   * Sends all pages into an image, which they start in at multiples of the page size, by several
   * threads unless they go through the page cache.
   */
  sendToImage(job: ImageJob): Promise<PumpResult<ImageSent>>;
}

/** Where {@link PumpIteration.sendToImage} sends to. */
export interface ImageJob {
  /** Of a regular file. */
  readonly fd: number;
  /** Where the image goes on: a multiple of 8. */
  readonly position: number;
  readonly fileAccess: FileAccess;
  readonly laneCount: number;
  readonly cancel: PumpCancel;
}

/** What went into an image. */
export interface ImageSent {
  /** Octets of records, alignment included. */
  readonly bytes: number;
  /** Those of them that were written past the page cache. */
  readonly directBytes: number;
}

/** What {@link PumpIteration} sends. */
export interface IterationJob {
  readonly sender: PumpSender;
  /** Bits are cleared as their pages are claimed. */
  readonly dirty: Uint8Array;
  readonly populated?: Uint8Array;
  readonly elidesZeroPages: boolean;
  readonly counters: PumpCounters;
}

/** RAM of a guest that pages are received into; whoever stores in it waits for its turn. */
export type PumpRamFile = object;

/** PAGE_DATA records to receive into a guest's RAM. */
export interface ReceiveJob {
  readonly fd: number;
  /**
   * Present where `fd` is a regular file of which `offset` is a place: then its position is not
   * used, and the threads read pages at the same time. Where the file system takes no O_DIRECT, or
   * pages do not lie at multiples of the page size, they are read through the page cache.
   */
  readonly fileAccess?: FileAccess;
  readonly ram: PumpRamFile;
  /** Octets of the stream up to and with the first record's header. */
  readonly offset: number;
  /** Of the first record, whose header has been read. */
  readonly type: number;
  readonly bodyBytes: number;
  readonly threadCount: number;
  readonly counters: PumpCounters;
  readonly cancel: PumpCancel;
}

/** Pages of a file to look at. */
export interface ChecksumJob {
  /** Of a regular file; its position is not used. */
  readonly fd: number;
  /** Where pages lie behind each other, and how many: an entry of each for one run. */
  readonly offsets: Float64Array;
  readonly pageCounts: Uint32Array;
  /** Gets the CRC32C of each page: as many entries as there are pages. */
  readonly crcs: Uint32Array;
  readonly threadCount: number;
  readonly cancel: PumpCancel;
}

/** What was received before the first record that is no PAGE_DATA, whose header follows. */
export interface ReceivedPages {
  readonly records: number;
  readonly entries: number;
  readonly dataPages: number;
  /** Octets of those records, headers included. */
  readonly bytes: number;
  /** Octets of pages that were read past the page cache. */
  readonly directBytes: number;
  readonly nextType: number;
  readonly nextBodyBytes: number;
}

/** Why a call of the add-on failed. `CANCELLED` is no error: it was asked for. */
export interface PumpFailure {
  readonly code: ErrorCode | "CANCELLED";
  /** The system call that failed. */
  readonly call?: string;
  readonly facts: Readonly<Record<string, number>>;
}

/** Exactly one of the two. */
export interface PumpResult<Value> {
  readonly value?: Value;
  readonly failure?: PumpFailure;
}

/** Waits for octets on a socket or pipe, in the event loop and on no thread. */
export interface ReadableWatch {
  /**
   * Resolves when the descriptor has octets, has ended, or has failed; reading tells which. One at
   * a time.
   */
  wait(): Promise<PumpResult<undefined>>;
  /** Ends a wait under way as `CANCELLED`; then the descriptor may be closed. The last call. */
  close(): void;
}

/** The pump add-on: octets between descriptors and guest memory, off the JavaScript thread. */
export interface PumpAddon {
  readonly abiVersion: number;
  readonly Cancel: new () => PumpCancel;
  readonly ReadableWatch: new (fd: number) => ReadableWatch;
  readonly Sender: new (options: {
    readonly windows: readonly Window[];
    /** 0 is no limit. */
    readonly bytesPerSecondMax: number;
    /** Leaves out pages last sent with the same content; the key is secret and random. */
    readonly digests?: {
      readonly pfnCount: number;
      readonly key: Uint8Array;
      /** Only where digests cost little beside the transport. */
      readonly isOptional: boolean;
    };
  }) => PumpSender;
  readonly Iteration: new (job: IterationJob) => PumpIteration;
  readonly RamFile: new (options: {
    /** RAM as a file, page n at n times 4096; the caller's, and open as long as this is used. */
    readonly fd: number;
    readonly pfnCount: number;
  }) => PumpRamFile;
  /** Whether pages can be packed and unpacked: there is a libzstd. */
  readonly hasZstd: boolean;
  receivePages(job: ReceiveJob): Promise<PumpResult<ReceivedPages>>;
  /** Resolves with the pages looked at; the arrays stay as they are until then. */
  checksumFile(job: ChecksumJob): Promise<PumpResult<number>>;
  /** Octets read now, 0 at the end, -1 where there are none yet. */
  readNow(fd: number, bytes: Uint8Array): number | { readonly failure: PumpFailure };
  /**
   * Octets written to a socket or pipe that the peer has not taken yet, as far as the kernel knows:
   * of TCP those without an acknowledgement. 0 for anything else.
   */
  queuedBytes(fd: number): number;
  /** The two ends of a new pipe of both directions, the caller's; a negative errno on failure. */
  link(): readonly [number, number] | number;
  /** A descriptor of the caller's own on the same pipe; a negative errno on failure. */
  duplicate(fd: number): number;
}

/** Loads the pump add-on, or says why there is none. */
export function probePump(): AddonProbe<PumpAddon> {
  return probeAddon<PumpAddon>("pump", ABI_VERSION);
}

/** A failure as the project's error; `undefined` where the call was cancelled. */
export function pumpError(failure: PumpFailure): MigrationError | undefined {
  const { code, call, facts } = failure;
  return code === "CANCELLED" ? undefined : new MigrationError(code, { call, ...facts });
}
