import type { ByteSink } from "../base/io.ts";
import { bitmapBytes } from "../base/units.ts";
import type { IterationParts } from "../report/profile.ts";
import type { FileAccess } from "../transport/pump-addon.ts";

/** What one iteration sends. */
export interface PumpJob {
  /** Pages to send. All bits are clear when the iteration has ended. */
  readonly dirtyBitmap: Uint8Array;
  /** Pages that may hold data; the others of `dirtyBitmap` go as "allocate only". */
  readonly populatedBitmap?: Uint8Array;
  /** Receives the bit of each page that cannot be sent now. */
  readonly deferredBitmap: Uint8Array;
  /**
   * Sends pages of zeros as "allocate only" too. Right only where the receiver has nothing but
   * zeros there: in the first iteration.
   */
  readonly elidesZeroPages: boolean;
  /** Pages set in `dirtyBitmap`, about. */
  readonly pagesPlanned: number;
  /** Called now and then while there is progress. */
  readonly onProgress: (counts: PumpCounts) => void;
  /** Stops the iteration. */
  readonly signal: AbortSignal;
}

/** What an iteration sent, so far. */
export interface PumpCounts {
  readonly pagesSent: number;
  readonly pagesAllocateOnly: number;
  readonly pagesDeferred: number;
  /** Pages left out because they were last sent with the same content. */
  readonly pagesUnchanged: number;
  readonly bytes: number;
  readonly scanMs: number;
  /** What the rest of its time went on. */
  readonly parts: Omit<IterationParts, "drainMs">;
}

/** How pages are sent, whichever pump does it. */
export interface PumpOptions {
  /** Octets a second, at most; 0 is no limit. */
  readonly bytesPerSecondMax: number;
  /**
   * Whether pages rewritten with what was last sent are left out: by a digest for each page, which
   * costs 33 octets a page and a copy of each page sent. `auto`: where the transport is so slow
   * that the digests do not matter; the portable pump then leaves none out.
   */
  readonly skipsUnchanged: boolean | "auto";
  /**
   * Whether the pages of each PAGE_DATA start at a multiple of the page size in the stream, by a
   * PAGE_ALIGNMENT record before it: for files. The sink's offset must be a multiple of 8.
   */
  readonly alignsPages?: boolean;
  /** How aligned pages are written; past the page cache only by the native pump. */
  readonly fileAccess?: FileAccess;
}

/** Whether pages are packed: never, all of them, or those where it takes less time. */
export type Compression = "none" | "zstd" | "auto";

/** Sends the dirty pages of a guest to a transport as PAGE_DATA records. */
export interface SendPump {
  readonly name: "native" | "portable";
  /** Octets that were written to a file past the page cache so far. */
  readonly directBytes: number;
  /**
   * Sends one iteration; resolves when the transport has accepted all of it.
   *
   * @throws MigrationError TRANSPORT_LOST, GUEST_LOST, MIGRATION_INTERRUPTED
   */
  send(job: PumpJob): Promise<PumpCounts>;
  /**
   * Waits until the peer has taken what was sent, as far as this end can know: what is still on its
   * way when the guest is suspended lengthens its downtime.
   *
   * @throws MigrationError MIGRATION_INTERRUPTED
   */
  drain(signal: AbortSignal): Promise<void>;
  /** What only a pump with threads of its own can; to be used where the receiver agreed to it. */
  readonly extras?: PumpExtras | undefined;
}

/** Ways to send that only an end of our own understands, from the moment they are allowed. */
export interface PumpExtras {
  /** Whether pages can be packed here. */
  readonly hasZstd: boolean;
  /** Octets sent so far, in all iterations. */
  readonly bytesSent: number;
  pack(compression: Compression): void;
  /**
   * Sends over one more channel, `channel` being its number: from the next iteration on, or from
   * now on in the first.
   */
  join(channel: number, sink: ByteSink): void;
}

/** A bitmap of `pfnCount` ones. */
export function fullBitmap(pfnCount: number): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(pfnCount));
  bitmap.fill(0xff, 0, Math.floor(pfnCount / 8));
  if (pfnCount % 8 !== 0) {
    bitmap[Math.floor(pfnCount / 8)] = (1 << (pfnCount % 8)) - 1;
  }
  return bitmap;
}
