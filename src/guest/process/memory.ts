import { closeSync, openSync } from "node:fs";
import { MigrationError } from "../../base/errors.ts";
import { PAGE_BYTES } from "../../base/units.ts";
import type { Window } from "../../base/window.ts";
import { bigintField, numberField } from "../control.ts";
import type { GuestHandle } from "../handle.ts";
import type { HostAddon } from "../host.ts";
import type { LogDirty, SinkMemory, SourceMemory } from "../types.ts";

/** Most octets of a window: typed arrays end there. */
const WINDOW_BYTES_MAX = 2 ** 32;

/** Where a guest program keeps its memory. */
export interface GuestMemoryPlace {
  readonly pid: number;
  /** Descriptors of the guest's own. */
  readonly ramFd: number;
  readonly bitmapFd: number | undefined;
  /** Where RAM is mapped in the guest. */
  readonly address: bigint;
  readonly pfnCount: number;
}

/** Asks a guest program where its memory is. @throws MigrationError GUEST_LOST, GUEST_PROTOCOL */
export async function memoryPlace(
  handle: GuestHandle,
  pfnCount: number,
): Promise<GuestMemoryPlace> {
  const { fields } = await handle.request("memory");
  return {
    pid: numberField(fields, "pid"),
    ramFd: numberField(fields, "ramFd"),
    bitmapFd: fields.has("bitmapFd") ? numberField(fields, "bitmapFd") : undefined,
    address: bigintField(fields, "address"),
    pfnCount,
  };
}

/** Descriptors of ours on a guest's memory. */
export interface OpenMemory {
  readonly ramFd: number;
  readonly pagemapFd: number;
  readonly bitmapFd: number | undefined;
  close(): void;
}

/**
 * Opens a guest's memory and the log of its writes; works for the guest's own user and for root.
 *
 * @throws MigrationError GUEST_HOST_CALL
 */
export function openMemory(place: GuestMemoryPlace, access: "r" | "r+"): OpenMemory {
  const opened: number[] = [];
  const open = (name: string, flags: string) => {
    const fd = openSync(`/proc/${place.pid}/${name}`, flags);
    opened.push(fd);
    return fd;
  };
  try {
    return {
      ramFd: open(`fd/${place.ramFd}`, access),
      pagemapFd: open("pagemap", "r"),
      bitmapFd: place.bitmapFd === undefined ? undefined : open(`fd/${place.bitmapFd}`, "r+"),
      close: () => {
        opened.splice(0).forEach(closeSync);
      },
    };
  } catch (error) {
    opened.forEach(closeSync);
    throw new MigrationError("GUEST_HOST_CALL", { call: "open", pid: place.pid }, error);
  }
}

/** RAM of a guest program, mapped read-only. `detach` takes all windows away. */
export function mappedMemory(
  host: HostAddon,
  fd: number,
  pfnCount: number,
): SourceMemory & { detach(): void } {
  const buffers: ArrayBuffer[] = [];
  const windows: Window[] = [];
  const sizeBytes = pfnCount * PAGE_BYTES;
  for (let offset = 0; offset < sizeBytes; offset += WINDOW_BYTES_MAX) {
    const buffer = host.mapWindow(fd, offset, Math.min(WINDOW_BYTES_MAX, sizeBytes - offset));
    buffers.push(buffer);
    windows.push({ firstPfn: offset / PAGE_BYTES, bytes: new Uint8Array(buffer) });
  }
  return {
    pfnCount,
    windows,
    gather: async (pfns, outPages) => {
      await host.readPages(fd, pfns, outPages);
    },
    populated: async (outBitmap) => {
      outBitmap.fill(0);
      await host.findPopulated(fd, pfnCount, outBitmap);
    },
    detach: () => {
      buffers.splice(0).forEach((buffer) => {
        host.unmapWindow(buffer);
      });
    },
  };
}

/** RAM of a guest program under construction, written through its descriptor. */
export function writtenMemory(host: HostAddon, fd: number, pfnCount: number): SinkMemory {
  return {
    pfnCount,
    ramFd: fd,
    scatter: async (pfns, pages) => {
      const outside = pfns.find((pfn) => pfn >= pfnCount);
      if (outside !== undefined) {
        throw new MigrationError("GUEST_PFN_RANGE", { pfn: outside, pfnCount });
      }
      await host.writePages(fd, pfns, pages);
    },
  };
}

/** Log-dirty by userfaultfd write-protection, read from outside. */
export function userfaultLogDirty(
  host: HostAddon,
  { pagemapFd }: OpenMemory,
  { address, pfnCount }: GuestMemoryPlace,
): LogDirty {
  const scan = (isClean: boolean, bitmap: Uint8Array) =>
    host.scanWritten(pagemapFd, address, pfnCount, isClean, bitmap);
  return {
    method: "userfaultfd-wp",
    enable: async () => {
      await scan(true, scratchBitmap(pfnCount));
    },
    cleanDirty: (outBitmap) => scan(true, outBitmap),
    peekDirty: () => scan(false, scratchBitmap(pfnCount)),
    // What is protected now costs the guest one fault a page, once; the kernel has no cheaper way.
    disable: async () => undefined,
  };
}

/** Log-dirty by the bitmap that the guest program's own stores mark. */
export function softwareLogDirty(
  host: HostAddon,
  bitmapFd: number,
  { pfnCount }: GuestMemoryPlace,
): LogDirty {
  const clean = (bitmap: Uint8Array) => host.exchangeBitmap(bitmapFd, pfnCount, bitmap);
  return {
    method: "software",
    enable: async () => {
      await clean(scratchBitmap(pfnCount));
    },
    cleanDirty: clean,
    peekDirty: () => host.countBitmap(bitmapFd, pfnCount),
    disable: async () => undefined,
  };
}

function scratchBitmap(pfnCount: number): Uint8Array {
  return new Uint8Array(Math.ceil(pfnCount / 64) * 8);
}
