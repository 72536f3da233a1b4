import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { HVM_SAVE_CODE } from "../../src/format/hvm-save.ts";
import { type Inspected, type Inspection, withInspection } from "../../src/migration/inspect.ts";
import type { Json, JsonObject } from "../../src/migration/inspect-json.ts";
import { walkPageTables } from "../../src/migration/page-walk.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";

const shared = sharedFolder();
const folder = shared === undefined ? "" : path.join(shared, "streams");
const names = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith(".xl.zst"))
      .map((name) => name.replace(".xl.zst", ""))
  : [];
const { engine } = enginesUnderTest().engines[0]!;

async function inspect<Result>(
  name: string,
  work: (inspection: Inspection, inspected: Inspected) => Promise<Result>,
): Promise<Result> {
  const image = await openImage(path.join(folder, `${name}.xl.zst`));
  try {
    const options = { pageDataHead: engine, engine, memoryDigest: "keep-pages" } as const;
    return await withInspection(image, options, work);
  } finally {
    await image.close();
  }
}

/** Every object within a value, itself included. */
function objectsIn(value: Json): readonly JsonObject[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  const own = Array.isArray(value) ? [] : [value as JsonObject];
  return [...own, ...Object.values(value).flatMap(objectsIn)];
}

/** Pages of each iteration, as the save helper reported them while it saved. */
function reportedIterations(name: string): readonly number[] | undefined {
  const file = path.join(folder, `${name}.helper-save.txt`);
  const lines = [...readFileSync(file, "utf8").matchAll(/'Frames iteration (\d+)', 0, (\d+)\)/g)];
  return lines.length === 0 ? undefined : lines.map(([, , count]) => Number(count));
}

const title = names.length === 0 ? `real streams of Xen (skipped: ${NO_SHARED})` : "real streams";

describe.skipIf(names.length === 0)(title, () => {
  test.each(names)("%s: everything decoded, nothing unknown", async (name) => {
    await inspect(name, async (inspection) => {
      const { details, records } = inspection;
      expect(records.filter((record) => record.name.startsWith("0x"))).toEqual([]);
      const odd = objectsIn(details).filter(
        (object) => "error" in object || "rest" in object || "prefix" in object,
      );
      expect(odd).toEqual([]);
      expect(objectsIn(details).filter((object) => "unusual_length" in object)).toEqual([]);
      const entries = details.flatMap((record) =>
        Array.isArray(record.entries) ? (record.entries as readonly JsonObject[]) : [],
      );
      expect(entries.filter(({ type }) => !(String(type) in HVM_SAVE_CODE))).toEqual([]);
      expect(entries.length > 0).toBe(inspection.libxc?.guest_type === 2);
      const bodies = ["X86_CPUID_POLICY", "X86_MSR_POLICY", "X86_TSC_INFO"];
      expect(details.map((record) => record.name)).toEqual(expect.arrayContaining(bodies));
      const emulators = details.filter((record) => record.name === "EMULATOR_CONTEXT");
      expect(emulators.every(({ sections }) => Array.isArray(sections))).toBe(true);
    });
  });

  test.each(names.filter((name) => name.endsWith("-live")))(
    "%s: the iterations that the helper reported",
    async (name) => {
      const reported = reportedIterations(name);
      const found = await inspect(name, async ({ iterations }) =>
        iterations.map(({ entries }) => entries),
      );
      expect(found.slice(0, -1)).toEqual(reported?.slice(0, -1));
      // A deferred page of a PV guest that was written again is reported twice, and sent once.
      const twice = (reported?.at(-1) ?? 0) - (found.at(-1) ?? 0);
      expect(twice).toBeGreaterThanOrEqual(0);
      expect(twice).toBeLessThanOrEqual(name.includes("pv64") || name.includes("pv32") ? 2 : 0);
    },
  );

  /** What a guest's kernel is loaded at shows at the addresses it runs at. */
  test.each([
    ["xen-4.17-pv32-save", "pae", 0xc010_0000n, "7f454c46"],
    ["xen-4.17-pv64-save", "4-level", 0xffff_ffff_811c_4c75n, "415b59c3"],
    ["xen-4.17-pvh-save", "4-level", undefined, undefined],
    ["xen-4.17-hvm-save", "4-level", undefined, undefined],
  ])("%s: addresses lead to pages (%s)", async (name, mode, address, content) => {
    await inspect(name, async ({ details }, { memory, paging }) => {
      const cr3 = paging.cr3Of(0)!;
      expect(paging.modeOf(cr3)).toBe(mode);
      const rip = objectsIn(details).find((object) => "rip" in object)?.rip;
      const start = {
        mode: paging.modeOf(cr3)!,
        tableAddress: paging.tableAddress(cr3, paging.modeOf(cr3)!),
        address: address ?? BigInt(String(rip)),
      };
      const readPage = async (pfn: number) => (await memory.frame(pfn))?.page;
      const walk = await walkPageTables(start, readPage);
      expect(walk.outcome).toBe("mapped");
      const page = await readPage(walk.pfn!);
      const octets = page?.subarray(walk.page_offset!, walk.page_offset! + 4);
      if (content === undefined) {
        expect(octets?.some((octet) => octet !== 0)).toBe(true);
      } else {
        expect(Buffer.from(octets ?? []).toString("hex")).toBe(content);
      }
    });
  });
});
