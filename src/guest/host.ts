import { type AddonProbe, probeAddon } from "../base/addon.ts";
import { MigrationError } from "../base/errors.ts";

/** Version of the add-on's interface; the add-on carries the same number. */
const ABI_VERSION = 3;

/** Exactly one of the two. */
export interface LibraryPlace {
  readonly path?: string;
  readonly reason?: string;
}

/**
 * The host add-on: Linux calls on the memory of another process.
 *
 * Descriptors are this process's own. Bitmaps are 8-byte aligned and hold a bit for each page.
 * Promises reject with MigrationError GUEST_HOST_CALL (call, errno).
 */
export interface HostAddon {
  readonly abiVersion: number;
  setErrorClass(errorClass: typeof MigrationError): void;
  /** Maps part of a file read-only; mapped until `unmapWindow`, or until collected. */
  mapWindow(fd: number, offsetBytes: number, sizeBytes: number): ArrayBuffer;
  /** Detaches the buffer and unmaps. */
  unmapWindow(buffer: ArrayBuffer): void;
  /**
   * Sets in `outBitmap` the bits of pages written since the last clean; `isClean` re-arms, page by
   * page, atomically with the reading. Returns their number.
   *
   * @source Linux admin-guide/mm/pagemap.rst, PAGEMAP_SCAN
   */
  scanWritten(
    pagemapFd: number,
    address: bigint,
    pageCount: number,
    isClean: boolean,
    outBitmap: Uint8Array,
  ): Promise<number>;
  /** Adds the shared bitmap in file `bitmapFd` to `outBitmap`, clearing it; returns its ones. */
  exchangeBitmap(bitmapFd: number, pageCount: number, outBitmap: Uint8Array): Promise<number>;
  countBitmap(bitmapFd: number, pageCount: number): Promise<number>;
  /** Sets in `outBitmap` the bits of pages that are no holes of the file. */
  findPopulated(fd: number, pageCount: number, outBitmap: Uint8Array): Promise<number>;
  /** Page i of `outPages` is page `pfns[i]` of the file; holes stay holes. */
  readPages(fd: number, pfns: Uint32Array, outPages: Uint8Array): Promise<number>;
  writePages(fd: number, pfns: Uint32Array, pages: Uint8Array): Promise<number>;
  /** Why userfaultfd and PAGEMAP_SCAN cannot tell writes here; `undefined` where they can. */
  writeTrackingObstacle(): string | undefined;
  /** Where the dynamic linker finds a library, or why it cannot be opened. */
  locateLibrary(soname: string): LibraryPlace;
  /** eax, ebx, ecx and edx of a leaf; `undefined` where CPUs have no CPUID. */
  readCpuid(leaf: number, subleaf: number): readonly number[] | undefined;
}

/** Loads the host add-on, or says why there is none. */
export function probeHost(): AddonProbe<HostAddon> {
  const probe = probeAddon<HostAddon>("host", ABI_VERSION);
  probe.addon?.setErrorClass(MigrationError);
  return probe;
}

/** The add-on. @throws MigrationError GUEST_UNAVAILABLE */
export function requireHost(): HostAddon {
  const { addon, reason } = probeHost();
  if (addon === undefined) {
    throw new MigrationError("GUEST_UNAVAILABLE", { reason });
  }
  return addon;
}
