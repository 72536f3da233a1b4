import { describe, expect, it, vi } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { DirtySampler } from "../../src/migration/dirty-sampler.ts";
import { HeatMap } from "../../src/migration/heat.ts";
import { MemoryWatch } from "../../src/migration/memory-watch.ts";
import { fullBitmap } from "../../src/migration/pump.ts";
import { Timeline } from "../../src/migration/timeline.ts";
import type { IterationStatistics } from "../../src/report/profile.ts";
import { enginesUnderTest } from "../support/engines.ts";

const STATISTICS: IterationStatistics = {
  iteration: 0,
  phase: "precopy",
  pagesPlanned: 10,
  pagesSent: 4,
  pagesAllocateOnly: 3,
  pagesDeferred: 2,
  pagesUnchanged: 1,
  bytes: 400,
  dirtyPagesAtEnd: 5,
  scanMs: 0,
  sendMs: 1,
  logDirtyMs: 0,
  durationMs: 1,
  bytesPerSecond: 400_000,
  dirtyPagesPerSecond: 5000,
};

describe("a timeline", () => {
  it("has events in words, and samples of the whole operation", () => {
    let nowMs = 100;
    const timeline = new Timeline({ nowMs: () => nowMs }, 100);
    timeline.take({ kind: "phase", phase: "precopy" });
    nowMs = 102;
    const pages = { kind: "pages", pagesPlanned: 10 } as const;
    timeline.take({ ...pages, iteration: 0, pagesDone: 10, bytes: 400 });
    timeline.take({ kind: "iteration", statistics: STATISTICS });
    timeline.take({ kind: "decision", action: "stop-and-copy", reason: "few pages" });
    nowMs = 105;
    timeline.take({ kind: "step", step: "channel 1 joined" });
    timeline.take({ ...pages, iteration: 1, pagesDone: 3, bytes: 500 });
    timeline.take({ kind: "taken", pages: 20, bytes: 600 });
    expect(timeline.content()).toEqual({
      events: [
        { atMs: 0, event: "precopy" },
        { atMs: 2, event: "decision: stop-and-copy (few pages)" },
        { atMs: 5, event: "channel 1 joined" },
      ],
      samples: [
        { atMs: 2, bytes: 400, pages: 10 },
        { atMs: 5, bytes: 500, pages: 13 },
        { atMs: 5, bytes: 600, pages: 20 },
      ],
    });
  });

  it("is bounded", () => {
    const timeline = new Timeline({ nowMs: () => 0 }, 0);
    for (let count = 0; count < 5000; count++) {
      timeline.take({ kind: "step", step: `${count}` });
      timeline.take({ kind: "taken", pages: count, bytes: count });
    }
    const { events, samples } = timeline.content();
    expect(events).toHaveLength(1000);
    expect(events?.at(-1)?.event).toBe("4999");
    expect(samples?.length).toBeLessThanOrEqual(1000);
    expect(samples?.at(-1)?.pages).toBe(4999);
  });
});

describe.each(enginesUnderTest().engines)("a heat map by $label", ({ engine }) => {
  it("counts pages by cell, the last one shorter", () => {
    const heat = new HeatMap(engine, 200);
    const bitmap = new Uint8Array(32);
    bitmap.set([0b1000_0001], 0);
    bitmap.set([0xff], 8);
    bitmap.set([0b0000_0001], 24);
    heat.add(0, fullBitmap(200));
    heat.add(1, bitmap);
    expect(heat.content()).toEqual({
      pfnsPerCell: 64,
      rows: [
        { iteration: 0, dirtyPages: [64, 64, 64, 8] },
        { iteration: 1, dirtyPages: [2, 8, 0, 1] },
      ],
    });
  });

  it("has at most 512 cells, of a large guest and of an odd one", () => {
    for (const pfnCount of [2 ** 24, 2 ** 24 + 1, 32_769, 1]) {
      const heat = new HeatMap(engine, pfnCount);
      heat.add(0, fullBitmap(pfnCount));
      const { pfnsPerCell, rows } = heat.content();
      const [{ dirtyPages }] = rows as [(typeof rows)[number]];
      expect(dirtyPages.length).toBeLessThanOrEqual(512);
      expect(pfnsPerCell * dirtyPages.length).toBeGreaterThanOrEqual(pfnCount);
      expect(dirtyPages.reduce((sum, pages) => sum + pages, 0)).toBe(pfnCount);
    }
  });

  it("has at most 256 rows, the first and the last among them", () => {
    const heat = new HeatMap(engine, 64);
    for (let iteration = 0; iteration < 1000; iteration++) {
      heat.add(iteration, fullBitmap(64));
    }
    const { rows } = heat.content();
    expect(rows.length).toBeLessThanOrEqual(256);
    expect([rows[0]?.iteration, rows.at(-1)?.iteration]).toEqual([0, 999]);
  });
});

const CLOCK = { nowMs: () => performance.now() };

describe("a dirty sampler", () => {
  it("looks into a long iteration until it ends", async () => {
    let looks = 0;
    const looked = new Promise<void>((resolve) => {
      const sampler = new DirtySampler(async () => {
        looks++;
        if (looks === 2) {
          resolve(sampler.end().then((curve) => expect(curve).toHaveLength(2)));
        }
        return looks * 10;
      }, CLOCK);
    });
    await looked;
    expect(looks).toBe(2);
  });

  it("does not look into a short one", async () => {
    const peekDirty = vi.fn(async () => 1);
    expect(await new DirtySampler(peekDirty, CLOCK).end()).toEqual([]);
    expect(peekDirty).not.toHaveBeenCalled();
  });

  it("waits for a look under way", async () => {
    let finish = (_: number) => {};
    const begun = new Promise<DirtySampler>((resolve) => {
      const sampler: DirtySampler = new DirtySampler(() => {
        resolve(sampler);
        return new Promise((done) => {
          finish = done;
        });
      }, CLOCK);
    });
    const ending = (await begun).end();
    finish(7);
    expect(await ending).toMatchObject([{ dirtyPages: 7 }]);
  });

  it("ends with a guest that is lost", async () => {
    let lose = (_: Error) => {};
    const begun = new Promise<DirtySampler>((resolve) => {
      const sampler: DirtySampler = new DirtySampler(() => {
        resolve(sampler);
        return new Promise((_, reject) => {
          lose = reject;
        });
      }, CLOCK);
    });
    const sampler = await begun;
    lose(new Error("lost"));
    expect(await sampler.end()).toEqual([]);
  });
});

describe("a watch over memory", () => {
  it("keeps what is to be sent from being used up, and counts the last of it late", async () => {
    const engine = { ...createReferenceEngine() };
    const count = vi.spyOn(engine, "countBitmap");
    const peekDirty = async () => 0;
    const guest = { memory: { pfnCount: 64 }, logDirty: { peekDirty } };
    const watch = new MemoryWatch({ guest, engine, clock: CLOCK });
    const bitmap = fullBitmap(64);
    watch.begins(0, bitmap, "precopy");
    bitmap.fill(0);
    expect(count).not.toHaveBeenCalled();
    await new Promise((resolve) => setImmediate(resolve));
    expect(count).toHaveBeenCalledTimes(1);
    expect(await watch.ends()).toEqual([]);
    bitmap[0] = 3;
    watch.begins(1, bitmap, "stop-and-copy");
    bitmap.fill(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(count).toHaveBeenCalledTimes(1);
    expect((await watch.finish()).rows).toEqual([
      { iteration: 0, dirtyPages: [64] },
      { iteration: 1, dirtyPages: [2] },
    ]);
  });
});
