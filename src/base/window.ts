import { PAGE_BYTES } from "./units.ts";

/**
 * A view of at most 4 GiB of guest RAM.
 *
 * `bytes` starts at page `firstPfn` and holds `bytes.length / PAGE_BYTES` pages. It belongs to
 * the guest backend that handed it out and is detached when that backend is cleaned up.
 */
export interface Window {
  readonly firstPfn: number;
  readonly bytes: Uint8Array;
}

/** Pages that `window` holds. */
export function windowPageCount(window: Window): number {
  return window.bytes.length / PAGE_BYTES;
}
