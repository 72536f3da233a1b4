import type { Task } from "./case.ts";

/** Reads that much memory as fast as the C library does: it looks for a byte that is not there. */
export function plainRead(lengthBytes: number): Task {
  // Written once, or all of it would be one page of zeros that the kernel shows everywhere.
  const bytes = Buffer.allocUnsafeSlow(lengthBytes).fill(2);
  return { name: "memchr", run: () => bytes.indexOf(1) };
}

/** Copies `batchBytes` consecutive bytes of `window`, others each time. */
export function plainCopy(window: Uint8Array, batchBytes: number): Task {
  const batch = Buffer.alloc(batchBytes);
  const from = Buffer.from(window.buffer, window.byteOffset, window.byteLength);
  let at = 0;
  return {
    name: "memcpy",
    run() {
      at = (at + batchBytes) % from.length;
      return from.copy(batch, 0, at, at + batchBytes);
    },
  };
}
