import { type AddonProbe, probeAddon } from "../base/addon.ts";
import { type ErrorCode, MigrationError } from "../base/errors.ts";
import type { Window } from "../base/window.ts";

/** Version of the add-on's interface; the add-on carries the same number. */
const ABI_VERSION = 1;

/** A wish to stop: `fire` may come at any moment and is kept. */
export interface PumpCancel {
  fire(): void;
}

/** One iteration for {@link PumpSender}. The memory stays as it is until the promise settles. */
export interface SendJob {
  readonly fd: number;
  /** Where a file goes on; absent for sockets and pipes. */
  readonly position?: number;
  /** Bits are cleared as their pages are taken. */
  readonly dirty: Uint8Array;
  readonly populated?: Uint8Array;
  readonly elidesZeroPages: boolean;
  /** Entries as in native/pump/counters.h; read at any time. */
  readonly counters: BigUint64Array;
  readonly cancel: PumpCancel;
}

/** Sends the pages of one guest, on threads of its own. One iteration at a time. */
export interface PumpSender {
  send(job: SendJob): Promise<PumpResult<undefined>>;
}

/** How pages of a file are read: through the page cache, past it (O_DIRECT), or as is faster. */
export type FileReads = "auto" | "cached" | "direct";

/** PAGE_DATA records to receive into a guest's RAM. */
export interface ReceiveJob {
  readonly fd: number;
  /**
   * Present where `fd` is a regular file of which `offset` is a place: then its position is not
   * used, and the threads read pages at the same time. Where the file system takes no O_DIRECT, or
   * pages do not lie at multiples of the page size, they are read through the page cache.
   */
  readonly fileReads?: FileReads;
  /** RAM as a file: page n at n times 4096. */
  readonly ramFd: number;
  readonly pfnCount: number;
  /** Octets of the stream up to and with the first record's header. */
  readonly offset: number;
  /** Of the first record, whose header has been read. */
  readonly bodyBytes: number;
  readonly threadCount: number;
  readonly cancel: PumpCancel;
}

/**
 * What was received before the first record that is no PAGE_DATA and no PAGE_ALIGNMENT, whose
 * header follows.
 */
export interface ReceivedPages {
  /** PAGE_DATA records. */
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

/** The pump add-on: octets between descriptors and guest memory, off the JavaScript thread. */
export interface PumpAddon {
  readonly abiVersion: number;
  readonly Cancel: new () => PumpCancel;
  readonly Sender: new (options: {
    readonly windows: readonly Window[];
    /** 0 is no limit. */
    readonly bytesPerSecondMax: number;
    /** Leaves out pages last sent with the same content; the key is secret and random. */
    readonly digests?: { readonly pfnCount: number; readonly key: Uint8Array };
  }) => PumpSender;
  receivePages(job: ReceiveJob): Promise<PumpResult<ReceivedPages>>;
  /** Octets read now, 0 at the end, -1 where there are none yet. */
  readNow(fd: number, bytes: Uint8Array): number | { readonly failure: PumpFailure };
  /** Resolves when `fd` has octets, has ended, or has failed. */
  waitReadable(fd: number, cancel: PumpCancel): Promise<PumpResult<undefined>>;
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
