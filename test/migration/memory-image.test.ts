import { describe, expect, test } from "vitest";
import { PAGE_TYPE } from "../../src/format/page-type.ts";
import { DistinctPages } from "../../src/migration/distinct-pages.ts";
import type { PagePlace } from "../../src/migration/frame-table.ts";
import { withInspection } from "../../src/migration/inspect.ts";
import { Iterations } from "../../src/migration/iterations.ts";
import { drawMemory } from "../../src/migration/memory-map.ts";
import { Parts, page, T } from "../golden/parts.ts";
import { join } from "../support/bytes.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const { engine } = enginesUnderTest().engines[0]!;

function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxcHeaders(3, 2), parts.signal(16), ...records, parts.signal(0));
}

/** The same content at each frame, unlike `page`'s. */
function alike(fill: number, ...pfns: readonly number[]): Uint8Array {
  const words = pfns.map((pfn) => BigInt(pfn));
  const pages = pfns.map(() => new Uint8Array(4096).fill(fill));
  return parts.record(1, parts.o.u32(pfns.length, 0), parts.o.u64(...words), ...pages);
}

describe("DistinctPages", () => {
  test("counts contents, many of them", () => {
    const distinct = new DistinctPages(engine);
    const pages = Array.from({ length: 9_000 }, (_, index) => page(index % 7_000, 1));
    for (let at = 0; at < pages.length; at += 100) {
      distinct.take(join(...pages.slice(at, at + 100)));
    }
    expect(distinct.count).toBe(7_000);
  });
});

describe("frames", () => {
  const options = { pageDataHead: plainHeadCodec, engine };

  test("duplicates are those that the memory ends with", async () => {
    const bytes = hvm(alike(1, 10, 11, 12, 13), alike(2, 20, 21), alike(0, 30, 31), alike(3, 13));
    await withInspection(sourceOf(bytes), options, async ({ duplicates, frames }) => {
      expect(duplicates).toBe(3);
      expect(frames).toMatchObject({ with_memory: 8, all_zero: 2 });
    });
  });

  test("can be looked at: page, type, how often", async () => {
    const bytes = hvm(
      parts.pageData([4, T.NOTAB, 1], [5, T.NOTAB, 0], [6, T.XALLOC]),
      parts.pageData([4, T.NOTAB, 2]),
    );
    const keep = { ...options, memoryDigest: "keep-pages" } as const;
    await withInspection(sourceOf(bytes), keep, async (inspection, { memory }) => {
      expect(inspection).not.toHaveProperty("memory_sha256");
      expect(await memory.frame(4)).toEqual({
        pfn: 4,
        pageType: PAGE_TYPE.NOTAB,
        sentTimes: 2,
        page: page(4, 2),
      });
      expect((await memory.frame(5))?.page).toEqual(new Uint8Array(4096));
      const allocated = { pageType: PAGE_TYPE.XALLOC, page: new Uint8Array(4096) };
      expect(await memory.frame(6)).toMatchObject(allocated);
      expect(await memory.frame(7)).toBeUndefined();
    });
  });
});

describe("Iterations", () => {
  test("begin where frames fall, at a record", () => {
    const iterations = new Iterations();
    const records = [[1, 2, 3], [7, 8], [2, 9], [9], [10], [4, 3]];
    for (const [index, pfns] of records.entries()) {
      iterations.startRecord({ offset: index * 100, pfns: Uint32Array.from(pfns) });
      for (const pfn of pfns) {
        iterations.take(pfn, { isAgain: index > 1, hasData: pfn !== 9 });
      }
    }
    expect(iterations.all).toEqual([
      { offset: 0, entries: 5, with_data: 5, again: 0 },
      { offset: 200, entries: 2, with_data: 1, again: 2 },
      { offset: 300, entries: 2, with_data: 1, again: 2 },
      { offset: 500, entries: 2, with_data: 2, again: 2 },
    ]);
  });
});

describe("drawMemory", () => {
  const draw = (frames: readonly (readonly [pfn: number, place: PagePlace, type?: number])[]) => {
    const known = new Map(frames.map(([pfn, place, pageType = 0]) => [pfn, { place, pageType }]));
    return drawMemory(Uint32Array.from(known.keys()), (pfn) => known.get(pfn)!);
  };

  test("a cell for each frame of a small guest", () => {
    const { frames_per_cell, rows } = draw([
      [0, 4096],
      [1, "zero"],
      [2, "none"],
      [3, 8192, PAGE_TYPE.L1TAB],
      [70, 12288, PAGE_TYPE.L4TAB_PIN],
    ]);
    expect(frames_per_cell).toBe(1);
    expect(rows).toEqual([
      { first_pfn: 0, cells: `#.-T${" ".repeat(60)}` },
      { first_pfn: 64, cells: `      T${" ".repeat(57)}` },
    ]);
  });

  test("cells by how much of them holds data; rows without frames are left out", () => {
    const run = (first: number, count: number) =>
      Array.from({ length: count }, (_, index) => [first + index, 4096] as const);
    const { frames_per_cell, rows } = draw([
      ...run(0, 4),
      ...run(4, 3),
      ...run(8, 2),
      ...run(12, 1),
      [16, "none", PAGE_TYPE.XTAB],
      [8191, "none", PAGE_TYPE.BROKEN],
    ]);
    expect(frames_per_cell).toBe(4);
    expect(rows).toEqual([
      { first_pfn: 0, cells: `##++-${" ".repeat(59)}` },
      { first_pfn: 31 * 256, cells: `${" ".repeat(63)}-` },
    ]);
  });

  test("the largest guest has no more rows, and none of an empty image", () => {
    const { frames_per_cell, rows } = draw([
      [0, 4096],
      [2 ** 32 - 1, "zero"],
    ]);
    expect(frames_per_cell).toBe(2 ** 21);
    expect(rows.map(({ first_pfn }) => first_pfn)).toEqual([0, 2 ** 21 * 64 * 31]);
    expect(draw([]).rows).toEqual([]);
  });
});
