import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { type Entry, Parts, page, T } from "../golden/parts.ts";
import { join } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { bitwiseCrc32c } from "../support/crc32c.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzVerify } from "../support/fuzz-verify.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const { u32, u64 } = parts.o;
const reference = createReferenceEngine();
const native = enginesUnderTest().engines.find(({ label }) => label === "native")?.engine;
const STATE = join(parts.tscInfo(), parts.hvmParams([1, 1]), parts.hvmContext(), parts.signal(0));

/** An HVM guest in libxc alone. */
function hvm(...records: readonly Uint8Array[]): Uint8Array {
  return join(parts.libxcHeaders(3, 2), parts.signal(16), ...records, STATE);
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-verify-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("pages stepped over", () => {
  test("less than a hundredth of a large image is read", async () => {
    const words = Array.from({ length: 1024 }, (_, pfn) => BigInt(pfn));
    const full = parts.record(1, u32(1024, 0), u64(...words), new Uint8Array(1024 * 4096));
    const image = new ChunkedImage([
      join(parts.libxcHeaders(3, 2), parts.signal(16)),
      ...Array.from({ length: 64 }, () => full),
      STATE,
    ]);
    const { findings, summary } = await verifyStream(image, { pageDataHead: reference });
    expect(findings).toEqual([]);
    expect(summary).toMatchObject({ pageDataCount: 64, dataPageCount: 65_536, frameCount: 1024 });
    expect(summary.bytes).toBe(image.fileBytes);
    expect(image.bytesRead).toBeLessThan(image.fileBytes / 100);
  });

  test("a record of more frames than are read at once", async () => {
    const words = Array.from({ length: 5000 }, (_, pfn) => (14n << 60n) | BigInt(pfn));
    const bytes = hvm(parts.record(1, u32(5000, 0), u64(...words)));
    const { findings, summary } = await verifyStream(new ChunkedImage([bytes]), {
      pageDataHead: reference,
    });
    expect(findings).toEqual([]);
    expect(summary.frameCount).toBe(5000);
  });
});

describe("memory", () => {
  const entries: readonly Entry[] = [
    [1, T.NOTAB, 0x11],
    [7, T.XALLOC],
    [2, T.NOTAB, 0x12],
    [9, T.XTAB],
  ];
  const again: readonly Entry[] = [[2, T.NOTAB, 0x22]];
  const stream = hvm(parts.pageData(...entries), parts.pageData(...again));
  /** Frames that have memory, rising, and what they hold at the end. */
  const memory: readonly (readonly [number, Uint8Array])[] = [
    [1, page(1, 0x11)],
    [2, page(2, 0x22)],
    [7, new Uint8Array(4096)],
  ];
  const digest = createHash("sha256");
  for (const [pfn, content] of memory) {
    digest.update(join(u64(pfn), u32(bitwiseCrc32c(content))));
  }
  const expected = digest.digest("hex");

  test.each(enginesUnderTest().engines.map(({ label, engine }) => ({ label, engine })))(
    "has a digest of what restoring ends with ($label)",
    async ({ engine }) => {
      const options = { pageDataHead: engine, deepBy: engine };
      const { summary } = await verifyStream(sourceOf(stream), options);
      expect(summary).toMatchObject({ depth: "deep", memoryDigest: expected, frameCount: 3 });
    },
  );

  test.skipIf(native === undefined)("has it of a file too", async () => {
    const file = path.join(folder, "digest");
    await writeFile(file, stream);
    const image = await openImage(file);
    const options = { pageDataHead: native!, deepBy: native };
    const { summary } = await verifyStream(image, options);
    await image.close();
    expect(summary.memoryDigest).toBe(expected);
  });

  test("sent again to compare is compared and counted", async () => {
    const same = parts.pageData([1, T.NOTAB, 0x11]);
    const other = parts.pageData([1, T.NOTAB, 0x99], [2, T.NOTAB, 0x98], [7, T.NOTAB]);
    const bytes = hvm(parts.pageData(...entries), parts.signal(13), same, other);
    const options = { pageDataHead: reference, deepBy: reference };
    const { findings, summary } = await verifyStream(sourceOf(bytes), options);
    expect(summary).toMatchObject({ comparedPageCount: 4, differingPageCount: 2 });
    expect(findings).toMatchObject([
      { severity: "suspicious", code: "PAGE_DATA_VERIFY", facts: { pfn: 1 } },
    ]);
  });

  test("scattered over all there may be is not followed for ever", async () => {
    const records = Array.from({ length: 6 }, (_, part) => {
      const words = Array.from({ length: 1024 }, (_unused, index) => {
        return (14n << 60n) | BigInt((part * 1024 + index) * 4096);
      });
      return parts.record(1, u32(1024, 0), u64(...words));
    });
    const { findings } = await verifyStream(sourceOf(hvm(...records)), { pageDataHead: reference });
    expect(findings.map(({ code }) => code)).toEqual(["PAGE_DATA_SCATTERED", "RECORD_FRAME"]);
  });
});

test("all ways tell the same of damaged images", { timeout: 120_000 }, async () => {
  const file = path.join(folder, "damaged");
  const write = async (bytes: Uint8Array) => {
    await writeFile(file, bytes);
    return file;
  };
  const threads = native === undefined ? undefined : { engine: native, write };
  const settings = fuzzSettings("verify", 400);
  const { accepted, codes } = await fuzzVerify(settings, reference, threads);
  expect(accepted).toBeGreaterThan(20);
  expect(Object.keys(codes).length).toBeGreaterThan(15);
});
