import { describe, expect, test } from "vitest";
import { FrameStates } from "../../src/migration/frame-states.ts";
import { bitwiseCrc32c } from "../support/crc32c.ts";

const NOTAB = 0;
const L4_PIN = 0xc;
const XALLOC = 0xe;
const XTAB = 0xf;

describe("FrameStates", () => {
  test("a frame gets memory once, and keeps it", () => {
    const frames = new FrameStates({ checksums: "none" });
    expect(frames.get(5)).toEqual({ pageType: NOTAB, isPopulated: false });
    expect(frames.set(5, XTAB)).toBe(false);
    expect(frames.set(5, L4_PIN)).toBe(true);
    expect(frames.set(5, XALLOC)).toBe(false);
    expect(frames.set(5, XTAB)).toBe(false);
    expect(frames.get(5)).toEqual({ pageType: XTAB, isPopulated: true });
    expect(frames.populatedCount).toBe(1);
  });

  test("frames at the ends of chunks, and the highest there is", () => {
    const frames = new FrameStates({ checksums: "none" });
    for (const pfn of [0, 4095, 4096, 0xffff_ffff]) {
      expect(frames.set(pfn, NOTAB)).toBe(true);
      expect(frames.get(pfn).isPopulated).toBe(true);
    }
    expect(frames.get(4097).isPopulated).toBe(false);
    expect(frames.populatedCount).toBe(4);
  });

  test("keeps checksums, that of zeros until there is another", () => {
    const frames = new FrameStates({ checksums: "keep" });
    frames.set(9000, XALLOC);
    frames.set(3, NOTAB);
    frames.setCrc(3, 0x1234_5678, 0);
    frames.setCrc(77_777, 1, 0);
    expect(frames.crcOf(9000)).toBe(bitwiseCrc32c(new Uint8Array(4096)));
    expect(frames.crcOf(4)).toBeUndefined();
    const seen: (readonly [number, number])[] = [];
    frames.eachCrc((pfn, crc) => seen.push([pfn, crc]));
    expect(seen).toEqual([
      [3, 0x1234_5678],
      [9000, bitwiseCrc32c(new Uint8Array(4096))],
    ]);
  });

  test("gives up on frames that lie far apart, and not on those that do not", () => {
    const scattered = new FrameStates({ checksums: "none" });
    for (let index = 0; index < 5000; index++) {
      scattered.set(index * 4096, NOTAB);
    }
    expect(scattered.isScattered).toBe(true);
    expect(scattered.populatedCount).toBeLessThan(4500);
    const dense = new FrameStates({ checksums: "none" });
    for (let index = 0; index < 5000; index++) {
      for (let at = 0; at < 16; at++) {
        dense.set(index * 4096 + at, NOTAB);
      }
    }
    expect(dense.isScattered).toBe(false);
  });
});
