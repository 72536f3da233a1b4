import { open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pullEvents } from "../../src/codec/pull.ts";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { attachGuest, listGuests, openBackend } from "../../src/guest/open.ts";
import type { GuestKind, GuestSource } from "../../src/guest/types.ts";
import { type RestoreOptions, restoreGuest } from "../../src/migration/restore.ts";
import { type AfterSave, saveGuest } from "../../src/migration/save.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import {
  isProven,
  makeRunDir,
  storesMore,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import { createGuest, TRANSFER } from "../support/migration.ts";
import { seededRandom } from "../support/splitmix32.ts";

const KINDS = ["process", "synthetic"] as const satisfies readonly GuestKind[];
const unavailable = await unavailableKinds(KINDS);
const engine = createReferenceEngine();

let place: TestRunDir;
let file: string;

beforeEach(async () => {
  place = await makeRunDir();
  file = path.join(place.runDir, "guest.xl");
});

afterEach(async () => {
  await place.dispose();
});

const never = new AbortController().signal;

function save(guest: GuestSource, after: AfterSave, signal = never) {
  return saveGuest({ ...TRANSFER, guest, engine, file, after, signal });
}

/** Saves it with its page data at multiples of the page size. */
function saveAligned(guest: GuestSource, changes: Partial<Parameters<typeof saveGuest>[0]> = {}) {
  const pump = { ...TRANSFER.pump, alignsPages: true };
  const job = { ...TRANSFER, guest, engine, file, after: "destroy", signal: never } as const;
  return saveGuest({ ...job, pump, ...changes });
}

/** What is read of the image: where pages start, and of what kinds its events are. */
async function pagesOfImage() {
  const image = await openImage(file);
  const pageOffsets: number[] = [];
  const names: string[] = [];
  for await (const event of pullEvents(image, engine)) {
    if (event.kind === "page-data" && event.pages.length > 0) {
      pageOffsets.push(event.pagesOffset);
    } else if (event.kind === "record") {
      names.push(`${event.name}`);
    }
  }
  await image.close();
  return { pageOffsets, names };
}

async function restore(changes: Pick<RestoreOptions, "engine" | "fileAccess"> = { engine }) {
  const source = await openImage(file);
  try {
    const { config } = await restoreGuest({
      ...changes,
      source,
      signal: never,
      startAs: "running",
      prepare: async (described) => (await openBackend(described.kind, place)).prepare(described),
    });
    return await attachGuest(config.name, place);
  } finally {
    await source.close();
  }
}

describe.each(KINDS)("saving a %s guest", (kind) => {
  const isHere = !unavailable.has(kind);
  const create = () => createGuest(place.runDir, `${kind}:memory=4M,dirty=2000p,hot=25%,vcpus=2`);

  test.runIf(isHere)("ends it, and restoring lets it go on", async () => {
    const guest = await create();
    await storesMore(guest, 50);
    const vcpusAtStop = await (await save(guest, "destroy")).vcpusAtStop;
    await guest.cleanup();
    expect(await listGuests(place)).toEqual([]);
    const restored = await restore();
    await storesMore(restored, 50);
    expect(await isProven(restored)).toBe(true);
    const { vcpus } = await restored.status();
    vcpus.forEach(({ stores }, index) => {
      expect(stores).toBeGreaterThanOrEqual(vcpusAtStop[index]!.stores);
    });
    await restored.cleanup();
  });

  test.runIf(isHere).each([
    ["continue", "running"],
    ["pause", "suspended"],
  ] as const)("with %s leaves it %s", async (after, runState) => {
    const guest = await create();
    await save(guest, after);
    expect((await guest.status()).runState).toBe(runState);
    expect(await isProven(guest)).toBe(true);
    await guest.cleanup();
  });

  test.runIf(isHere)("keeps a paused guest paused", async () => {
    const guest = await create();
    await guest.pause();
    const { iterations } = await save(guest, "continue");
    expect(iterations).toHaveLength(1);
    expect((await guest.status()).runState).toBe("paused");
    await guest.cleanup();
  });

  test.runIf(isHere)("can align page data, and verify takes the image, and restore", async () => {
    const spec = `${kind}:memory=8M,dirty=2000p,hot=25%,vcpus=2,fill=random`;
    const guest = await createGuest(place.runDir, spec);
    await storesMore(guest, 50);
    await saveAligned(guest);
    await guest.cleanup();
    const { pageOffsets, names } = await pagesOfImage();
    expect(pageOffsets.length).toBeGreaterThan(1);
    expect(pageOffsets.filter((offset) => offset % 4096 !== 0)).toEqual([]);
    expect(names).toContain("PAGE_ALIGNMENT");
    const image = await openImage(file);
    const { findings } = await verifyStream(image, { pageDataHead: engine });
    await image.close();
    expect(findings).toEqual([]);
    const restored = await restore();
    expect(await isProven(restored)).toBe(true);
    await restored.cleanup();
  });

  test.runIf(isHere)("gives an image that verify accepts", async () => {
    const guest = await create();
    await save(guest, "destroy");
    await guest.cleanup();
    const image = await openImage(file);
    const { findings, summary } = await verifyStream(image, { pageDataHead: engine });
    await image.close();
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ isAccepted: true, isComplete: true, trailingBytes: 0 });
  });

  test.runIf(isHere)("leaves no file, and the guest running, when it is interrupted", async () => {
    const guest = await create();
    const interruption = new AbortController();
    const onProgress = () => interruption.abort();
    const saving = saveGuest({
      ...TRANSFER,
      guest,
      engine,
      file,
      after: "destroy",
      onProgress,
      signal: interruption.signal,
    });
    await expect(saving).rejects.toMatchObject({ code: "MIGRATION_INTERRUPTED" });
    expect((await readdir(place.runDir)).filter((name) => name.includes("guest.xl"))).toEqual([]);
    expect((await guest.status()).runState).toBe("running");
    await storesMore(guest, 20);
    await guest.cleanup();
  });

  test.runIf(isHere)("leaves the guest running when the file cannot be made", async () => {
    const guest = await create();
    file = path.join(place.runDir, "none", "guest.xl");
    await expect(save(guest, "destroy")).rejects.toMatchObject({ code: "TRANSPORT_OPEN" });
    expect((await guest.status()).runState).toBe("running");
    await guest.cleanup();
  });
});

const hasPump = probePump().addon !== undefined;

describe.each([
  ["by events", { engine, isAligned: false }],
  ...(hasPump
    ? (["auto", "cached", "direct"] as const).map(
        (fileAccess) =>
          [
            `by threads, ${fileAccess}`,
            { engine: loadNativeEngine(), fileAccess, isAligned: true },
          ] as const,
      )
    : []),
] as const)("restoring %s", (_how, { isAligned, ...way }) => {
  const kind = unavailable.has("process") ? "synthetic" : "process";

  async function savedImage(): Promise<void> {
    const guest = await createGuest(
      place.runDir,
      `${kind}:memory=1M,dirty=500p,vcpus=2,fill=random`,
    );
    await (isAligned ? saveAligned(guest, { engine: way.engine }) : save(guest, "destroy"));
    await guest.cleanup();
  }

  test("lets the guest go on", async () => {
    await savedImage();
    const restored = await restore(way);
    await storesMore(restored, 20);
    expect(await isProven(restored)).toBe(true);
    await restored.cleanup();
  });

  test("refuses an image cut anywhere, and leaves no guest", async () => {
    await savedImage();
    const whole = await readFile(file);
    const random = seededRandom(20261123);
    const cuts = [
      ...(await recordBoundaries()),
      ...Array.from({ length: 20 }, () => random.below(whole.length)),
    ].filter((cut) => cut < whole.length);
    expect(cuts.length).toBeGreaterThan(25);
    for (const cut of cuts) {
      await writeFile(file, whole.subarray(0, cut));
      await expect(restore(way), `cut at ${cut}`).rejects.toMatchObject({
        code: "STREAM_TRUNCATED",
        where: { offset: cut },
      });
    }
    expect(await listGuests(place)).toEqual([]);
  });

  test("refuses a page outside the guest's memory", async () => {
    await savedImage();
    const at = await firstPfnWord();
    const image = await open(file, "r+");
    await image.write(Uint8Array.of(0, 1), 0, 2, at);
    await image.close();
    await expect(restore(way)).rejects.toMatchObject({
      code: "GUEST_PFN_RANGE",
      where: { pfn: 256 },
    });
    expect(await listGuests(place)).toEqual([]);
  });

  test("refuses an empty file", async () => {
    await writeFile(file, "");
    await expect(restore(way)).rejects.toMatchObject({ code: "STREAM_TRUNCATED" });
    await truncate(file, 7);
    expect((await stat(file)).size).toBe(7);
    await expect(restore(way)).rejects.toMatchObject({ code: "STREAM_TRUNCATED" });
  });

  /** Where each header and record of the image starts. */
  async function recordBoundaries(): Promise<readonly number[]> {
    const image = await openImage(file);
    const offsets: number[] = [];
    for await (const event of pullEvents(image, engine)) {
      if (event.kind !== "fault" && event.kind !== "end") {
        offsets.push(event.offset);
      }
    }
    await image.close();
    return [...new Set(offsets)];
  }

  async function firstPfnWord(): Promise<number> {
    const image = await openImage(file);
    for await (const event of pullEvents(image, engine)) {
      if (event.kind === "page-data") {
        const { pagesOffset, pfns } = event;
        await image.close();
        return pagesOffset - 8 * pfns.length;
      }
    }
    throw new Error("the image has no pages");
  }
});
