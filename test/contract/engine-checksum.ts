import { expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { bitwiseCrc32c } from "../support/crc32c.ts";
import { guardedBytes, guardedCopy } from "../support/guarded.ts";
import { seededRandom } from "../support/random.ts";

const UNTOUCHED = 0xdeadbeef;

/** Contract of checksumPages. */
export function checksumContract(engine: PageEngine): void {
  test("gives the known checksums of simple pages", () => {
    const window = new Uint8Array(4 * PAGE_BYTES);
    window.set(
      Uint8Array.from({ length: PAGE_BYTES }, (_, at) => at % 256),
      PAGE_BYTES,
    );
    window[3 * PAGE_BYTES - 1] = 1;
    window.fill(0xff, 3 * PAGE_BYTES);
    const crcs = new Uint32Array(5).fill(UNTOUCHED);
    expect(engine.checksumPages(window, Uint32Array.of(0, 1, 2, 3), crcs)).toBe(4);
    expect([...crcs]).toEqual([0x98f94189, 0x9c71fe32, 0x6a92c28a, 0x25c1fe13, UNTOUCHED]);
  });

  test.each([0, 1, 7])("agrees with the definition, misaligned by %d", (misalignment) => {
    const random = seededRandom(`checksum ${misalignment}`);
    const content = new Uint8Array(4 * PAGE_BYTES);
    random.fill(content);
    const { bytes: window } = guardedCopy(content, misalignment);
    const crcs = new Uint32Array(5);
    engine.checksumPages(window, Uint32Array.of(2, 0, 3, 1, 2), crcs);
    const wanted = [2, 0, 3, 1, 2].map((page) =>
      bitwiseCrc32c(content.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)),
    );
    expect([...crcs]).toEqual(wanted);
  });

  test("each bit counts, wherever it is", () => {
    const window = new Uint8Array(PAGE_BYTES);
    const crcs = new Uint32Array(1);
    const seen = new Set<number>();
    for (let at = 0; at < PAGE_BYTES; at += 61) {
      window[at] = 1 << (at % 8);
      engine.checksumPages(window, Uint32Array.of(0), crcs);
      expect(crcs[0]).toBe(bitwiseCrc32c(window));
      seen.add(crcs[0]!);
      window[at] = 0;
    }
    expect(seen.size).toBe(Math.ceil(PAGE_BYTES / 61));
  });

  test.each([0, 1, 2, 63, 64, 65, 129])("checksums lists of %d pages", (pageCount) => {
    const window = new Uint8Array(3 * PAGE_BYTES);
    window.fill(0xff, PAGE_BYTES, 2 * PAGE_BYTES);
    window[3 * PAGE_BYTES - 1] = 1;
    const known = [0x98f94189, 0x25c1fe13, 0x6a92c28a];
    const order = Array.from({ length: pageCount }, (_, entry) => (entry * entry + 1) % 3);
    const { bytes, expectIntact } = guardedBytes(pageCount * 4, 0);
    const crcs = new Uint32Array(bytes.buffer, bytes.byteOffset, pageCount);
    expect(engine.checksumPages(window, Uint32Array.from(order), crcs)).toBe(pageCount);
    expect([...crcs]).toEqual(order.map((page) => known[page]));
    expectIntact();
  });
}
