import {
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXPORT_FORMATS, exportMemory } from "../../src/migration/export/export.ts";
import { withInspection } from "../../src/migration/inspect.ts";
import { openOutput } from "../../src/transport/file-sink.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { memoryAt, readCore } from "../support/elf.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { wholeImage } from "../support/whole-image.ts";

const shared = sharedFolder();
const folder = shared === undefined ? "" : path.join(shared, "streams");
const names = existsSync(folder)
  ? readdirSync(folder).filter((name) => name.endsWith(".xl.zst"))
  : [];
const { engine } = enginesUnderTest().engines[0]!;
const options = { pageDataHead: engine, engine } as const;

/** Every page that looking at the image by frame numbers gives. */
async function pagesOf(bytes: Uint8Array): Promise<ReadonlyMap<number, Uint8Array>> {
  const keep = { ...options, memoryDigest: "keep-pages" } as const;
  return await withInspection(new ChunkedImage([bytes]), keep, async ({ frames }, { memory }) => {
    const pages = new Map<number, Uint8Array>();
    for (const pfn of memory.final().pfns) {
      const page = (await memory.frame(pfn))?.page;
      if (page !== undefined) {
        pages.set(pfn, page);
      }
    }
    expect(pages.size).toBe(frames.with_memory);
    return pages;
  });
}

let place = "";

beforeAll(() => {
  place = mkdtempSync(path.join(tmpdir(), "xenferry-export-"));
});

afterAll(() => rmSync(place, { recursive: true }));

/** Exports into a file. */
async function exported(bytes: Uint8Array, format: (typeof EXPORT_FORMATS)[number]) {
  const file = path.join(place, format);
  const openSink = () => openOutput(file);
  const summary = await exportMemory(new ChunkedImage([bytes]), { ...options, format, openSink });
  return { summary, file };
}

const NOTHING = new Uint8Array(0);
const title = names.length === 0 ? `real images (skipped: ${NO_SHARED})` : "real images";

describe.skipIf(names.length === 0)(title, () => {
  test.each(names)("%s: the same pages in every format", async (name) => {
    const image = await wholeImage(path.join(folder, name));
    const pages = await pagesOf(image);
    for (const format of EXPORT_FORMATS) {
      const { summary, file } = await exported(image, format);
      expect([format, summary.frames]).toEqual([format, pages.size]);
      const pageAt = format === "raw" ? rawPages(file) : finder(format, readFileSync(file));
      const differing = [...pages].filter(
        ([pfn, page]) => Buffer.compare(pageAt(pfn) ?? NOTHING, page) !== 0,
      );
      expect([format, differing.map(([pfn]) => pfn)]).toEqual([format, []]);
    }
  });
});

/** Frame n lies at n times 4096. */
function rawPages(file: string): (pfn: number) => Uint8Array {
  const fd = openSync(file, "r");
  const page = new Uint8Array(4096);
  return (pfn) => {
    readSync(fd, page, 0, page.length, pfn * 4096);
    return page;
  };
}

/** How pages are found in a file, by what its format's document says. */
function finder(
  format: "elf" | "dump-core" | "lime",
  bytes: Uint8Array,
): (pfn: number) => Uint8Array | undefined {
  if (format === "lime") {
    return limePages(bytes);
  }
  const core = readCore(bytes);
  if (format === "elf") {
    return (pfn) => memoryAt(core, bytes, BigInt(pfn) * 4096n, 4096);
  }
  const contentOf = (name: string) => core.sections.find((one) => one.name === name)?.content;
  const table = contentOf(".xen_pfn") ?? contentOf(".xen_p2m")!;
  const entryBytes = contentOf(".xen_pfn") === undefined ? 16 : 8;
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const places = new Map<number, number>();
  for (let index = 0; index * entryBytes < table.length; index++) {
    places.set(Number(view.getBigUint64(index * entryBytes, true)), index);
  }
  return (pfn) => {
    const index = places.get(pfn);
    const pages = contentOf(".xen_pages")!;
    return index === undefined ? undefined : pages.subarray(index * 4096, (index + 1) * 4096);
  };
}

function limePages(bytes: Uint8Array): (pfn: number) => Uint8Array | undefined {
  const places = new Map<number, number>();
  for (let at = 0; at < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, 32);
    expect([view.getUint32(0, true), view.getUint32(4, true)]).toEqual([0x4c694d45, 1]);
    const [first, last] = [8, 16].map((plus) => Number(view.getBigUint64(plus, true)));
    at += 32;
    for (let address = first!; address < last!; address += 4096) {
      places.set(address / 4096, at);
      at += 4096;
    }
  }
  return (pfn) => {
    const at = places.get(pfn);
    return at === undefined ? undefined : bytes.subarray(at, at + 4096);
  };
}
