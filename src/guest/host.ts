import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import nodeGypBuild from "node-gyp-build";
import { MigrationError } from "../base/errors.ts";

/** Version of the add-on's interface; the add-on carries the same number. */
const ABI_VERSION = 1;

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
  /** Moves the shared bitmap in file `bitmapFd` into `outBitmap`, clearing it; returns its ones. */
  exchangeBitmap(bitmapFd: number, pageCount: number, outBitmap: Uint8Array): Promise<number>;
  countBitmap(bitmapFd: number, pageCount: number): Promise<number>;
  /** Sets in `outBitmap` the bits of pages that are no holes of the file. */
  findPopulated(fd: number, pageCount: number, outBitmap: Uint8Array): Promise<number>;
  /** Page i of `outPages` is page `pfns[i]` of the file; holes stay holes. */
  readPages(fd: number, pfns: Uint32Array, outPages: Uint8Array): Promise<number>;
  writePages(fd: number, pfns: Uint32Array, pages: Uint8Array): Promise<number>;
}

/** The add-on, or why there is none. */
export type HostProbe =
  | { readonly host: HostAddon; readonly reason?: undefined }
  | { readonly host?: undefined; readonly reason: string };

const FOLDER = fileURLToPath(new URL("../../native/host", import.meta.url));

/** Loads the host add-on; a second call gives the same. */
export function probeHost(): HostProbe {
  if (process.platform !== "linux") {
    return { reason: `it needs Linux, and this is ${process.platform}` };
  }
  try {
    const host = nodeGypBuild(FOLDER) as HostAddon;
    if (host.abiVersion !== ABI_VERSION) {
      return { reason: `the host add-on has ABI ${host.abiVersion}, not ${ABI_VERSION}; rebuild` };
    }
    host.setErrorClass(MigrationError);
    return { host };
  } catch (error) {
    const isBuilt = [path.join(FOLDER, "build"), path.join(FOLDER, "prebuilds")].some(existsSync);
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return isBuilt
      ? { reason: `the host add-on failed to load: ${reason}` }
      : { reason: "the host add-on is not built (it needs python3, make and a C++ compiler)" };
  }
}

/** The add-on. @throws MigrationError GUEST_UNAVAILABLE */
export function requireHost(): HostAddon {
  const { host, reason } = probeHost();
  if (host === undefined) {
    throw new MigrationError("GUEST_UNAVAILABLE", { reason });
  }
  return host;
}
