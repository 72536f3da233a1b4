import { describe, expect, test } from "vitest";
import {
  guestLayout,
  resultOffset,
  vcpuOffset,
  WASM_BYTES_MAX,
} from "../../../src/guest/synthetic/layout.ts";

describe("layout", () => {
  test.each([
    [1, 1],
    [4096, 2],
    [1_000_003, 128],
  ])("%i pages and %i vCPUs: nothing overlaps", (pfnCount, vcpus) => {
    const layout = guestLayout(pfnCount, vcpus);
    const parts = [
      [layout.stopOffset, 4],
      [layout.loggingOffset, 4],
      [layout.throttleOffset, 4],
      ...Array.from({ length: vcpus }, (_, vcpu) => [vcpuOffset(vcpu), 48]),
      ...Array.from({ length: vcpus }, (_, vcpu) => [resultOffset(vcpu), 16 + 64]),
      [layout.dirtyOffset, layout.bitmapBytes],
      [layout.scratchOffset, layout.bitmapBytes],
      [layout.ramOffset, pfnCount * 4096],
    ].sort(([a], [b]) => a! - b!);
    let end = 65536;
    for (const [offset, sizeBytes] of parts) {
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset! + sizeBytes!;
    }
    expect(layout.totalBytes).toBeGreaterThanOrEqual(end);
    expect(layout.totalBytes % 65536).toBe(0);
    expect(layout.ramOffset % 4096).toBe(0);
    expect(layout.dirtyOffset % 8).toBe(0);
  });

  test("the largest guest is a little below 4 GiB", () => {
    const pages = (mib: number) => mib * 256;
    expect(guestLayout(pages(4095), 128).totalBytes).toBeLessThanOrEqual(WASM_BYTES_MAX);
    expect(guestLayout(pages(4096), 1).totalBytes).toBeGreaterThan(WASM_BYTES_MAX);
  });
});
