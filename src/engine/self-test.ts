import { PAGE_BYTES } from "../base/units.ts";
import type { PageEngine } from "./types.ts";

/** CRC32C of 4096 zero octets, and of the octets 0, 1 … 255 repeated. */
const CRC_ZEROS = 0x98f94189;
const CRC_RAMP = 0x9c71fe32;

/**
 * Puts an engine to golden vectors, one for each operation, in well under a millisecond.
 *
 * @returns the operation that failed; `undefined` when all are right.
 */
export function selfTest(engine: PageEngine): string | undefined {
  const failed = VECTORS.find(([, passes]) => !passes(engine));
  return failed === undefined ? undefined : `self-test of ${failed[0]} failed`;
}

/** Page 0 is zero; page 1 holds 0, 1 … 255 repeated; page 2 is zero but for its last octet. */
function samplePages(): Uint8Array {
  const pages = new Uint8Array(3 * PAGE_BYTES);
  pages.forEach((_, at) => {
    if (at >= PAGE_BYTES && at < 2 * PAGE_BYTES) {
      pages[at] = at & 0xff;
    }
  });
  pages[3 * PAGE_BYTES - 1] = 1;
  return pages;
}

const ALL = Uint32Array.of(0, 1, 2);

const VECTORS: readonly (readonly [string, (engine: PageEngine) => boolean])[] = [
  [
    "scanBitmap",
    (engine) => {
      const out = new Uint32Array(4);
      const bitmap = Uint8Array.of(0x81, 0, 0, 0, 0, 0, 0, 0x40);
      return engine.scanBitmap(bitmap, 1, out) === 2 && out[0] === 7 && out[1] === 62;
    },
  ],
  ["countBitmap", (engine) => engine.countBitmap(new Uint8Array(16).fill(0x11)) === 32],
  [
    "orBitmap",
    (engine) => {
      const into = new Uint8Array(8).fill(0x0f);
      return engine.orBitmap(into, new Uint8Array(8).fill(0x3c)) === 48 && into[7] === 0x3f;
    },
  ],
  [
    "findZeroPages",
    (engine) => {
      const out = new Uint8Array(3);
      return engine.findZeroPages(samplePages(), ALL, out) === 1 && `${out}` === "1,0,0";
    },
  ],
  [
    "gatherPages",
    (engine) => {
      const out = new Uint8Array(PAGE_BYTES);
      return engine.gatherPages(samplePages(), Uint32Array.of(1), out) === 1 && out[255] === 255;
    },
  ],
  [
    "scatterPages",
    (engine) => {
      const window = samplePages();
      const page = new Uint8Array(PAGE_BYTES).fill(9);
      return (
        engine.scatterPages(page, Uint32Array.of(2), window) === 1 && window[2 * PAGE_BYTES] === 9
      );
    },
  ],
  [
    "comparePages",
    (engine) => {
      const out = new Uint8Array(3);
      const same = engine.comparePages(samplePages(), ALL, samplePages(), out) === 0;
      const differs = engine.comparePages(new Uint8Array(3 * PAGE_BYTES), ALL, samplePages(), out);
      return same && differs === 2 && `${out}` === "0,1,1";
    },
  ],
  [
    "checksumPages",
    (engine) => {
      const out = new Uint32Array(2);
      engine.checksumPages(samplePages(), Uint32Array.of(0, 1), out);
      return out[0] === CRC_ZEROS && out[1] === CRC_RAMP;
    },
  ],
  [
    "page data heads",
    (engine) => {
      const head = new Uint8Array(32);
      const size = engine.encodePageDataHead(Uint32Array.of(5, 6), Uint8Array.of(0, 15), head);
      const pfns = new Uint32Array(2);
      const types = new Uint8Array(2);
      const valid = engine.decodePageDataHead(head.subarray(16), pfns, types);
      return size === 32 && head[5] === 0x10 && valid === 2 && `${pfns},${types}` === "5,6,0,15";
    },
  ],
];
