import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { digestImage, verifyAgainstDigest } from "../../src/migration/memory-digest.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { type Entry, Parts, page, T } from "../golden/parts.ts";
import { smallImage } from "../mutations/images.ts";
import { join } from "../support/bytes.ts";
import { bitwiseCrc32c } from "../support/crc32c.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { sourceOf } from "../support/sources.ts";

const parts = new Parts();
const folder = mkdtempSync(path.join(tmpdir(), "xenferry-digest-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What restore takes of an HVM guest, with pages in records as given. */
function hvm(...records: readonly (readonly Entry[])[]): Uint8Array {
  return join(
    parts.libxcHeaders(3, 2),
    parts.cpuidPolicy(),
    parts.msrPolicy(),
    parts.signal(16),
    ...records.map((entries) => parts.pageData(...entries)),
    parts.tscInfo(),
    parts.hvmContext(),
    parts.hvmParams([1, 2]),
    parts.signal(0),
  );
}

const FIRST: readonly Entry[] = [
  [1, T.NOTAB, 0x11],
  [2, T.NOTAB, 0x12],
  [3, T.NOTAB],
  [4, T.XTAB],
];

describe.each(enginesUnderTest().engines)("digests by $label", ({ engine }) => {
  const options = { pageDataHead: engine, engine };

  /** As a stream, and as a file: both ways say the same. */
  async function both<Result>(
    bytes: Uint8Array,
    work: (source: Parameters<typeof digestImage>[0]) => Promise<Result>,
  ): Promise<Result> {
    const file = path.join(folder, "image");
    writeFileSync(file, bytes);
    const image = await openImage(file);
    const streamed = await work(sourceOf(bytes, () => 777));
    expect(await work(image).finally(() => image.close())).toEqual(streamed);
    return streamed;
  }

  const digest = (bytes: Uint8Array) => both(bytes, (source) => digestImage(source, options));
  const compare = async (bytes: Uint8Array, other: Uint8Array) => {
    const { table } = await digest(bytes);
    return both(other, (source) =>
      verifyAgainstDigest(source, { pageDataHead: engine, deepBy: engine }, table),
    );
  };

  test("frames that have memory in the end, as they are then", async () => {
    const image = hvm(FIRST, [
      [2, T.NOTAB, 0x22],
      [9, T.XALLOC],
      [3, T.BROKEN],
      [1, T.XALLOC],
    ]);
    const { table } = await digest(image);
    expect(table).toEqual({
      guestType: 2,
      runs: [
        { firstPfn: 1, pageType: 0, frameCount: 2 },
        { firstPfn: 9, pageType: 0, frameCount: 1 },
      ],
      crcs: Uint32Array.of(
        bitwiseCrc32c(page(1, 0x11)),
        bitwiseCrc32c(page(2, 0x22)),
        bitwiseCrc32c(new Uint8Array(4096)),
      ),
    });
  });

  test("the same memory has one root, whatever the stream; another has another", async () => {
    const { root } = await digest(hvm(FIRST));
    const others = [
      hvm([...FIRST].reverse()),
      hvm([[2, T.NOTAB, 7]], FIRST),
      hvm(FIRST.slice(0, 2), [[3, T.XALLOC]]),
    ];
    for (const other of others) {
      expect((await digest(other)).root).toBe(root);
    }
    expect((await digest(hvm(FIRST.slice(0, 2)))).root).not.toBe(root);
    expect((await digest(hvm([...FIRST, [5, T.NOTAB]]))).root).not.toBe(root);
  });

  test("equal memory is told, with the frames there are", async () => {
    const { digest: found, summary } = await compare(hvm(FIRST), hvm([...FIRST].reverse()));
    expect(found).toEqual({
      isEqual: true,
      frames: 3,
      differing: 0,
      by: { content: 0, type: 0, missing: 0, extra: 0 },
      first: undefined,
      ranges: [],
      rangeCount: 0,
    });
    expect(summary.isAccepted).toBe(true);
  });

  test("what differs, of which frame, and where its last page lies", async () => {
    const other = hvm(FIRST.slice(0, 1), [
      [1, T.NOTAB, 0x11],
      [2, T.NOTAB, 0x99],
      [8, T.NOTAB, 0x18],
      [7, T.XALLOC],
    ]);
    const { digest: found, findings, summary } = await compare(hvm(FIRST), other);
    const offset = Buffer.from(other).indexOf(page(2, 0x99));
    expect(found).toMatchObject({
      isEqual: false,
      frames: 3,
      differing: 4,
      by: { content: 1, type: 0, missing: 1, extra: 2 },
      first: {
        pfn: 2,
        kind: "content",
        offset,
        expectedCrc: bitwiseCrc32c(page(2, 0x12)),
        foundCrc: bitwiseCrc32c(page(2, 0x99)),
      },
      ranges: [
        { kind: "content", firstPfn: 2, frameCount: 1, offset },
        { kind: "missing", firstPfn: 3, frameCount: 1, offset: undefined },
        { kind: "extra", firstPfn: 7, frameCount: 2, offset: undefined },
      ],
    });
    expect(summary.isAccepted).toBe(false);
    expect(findings).toContainEqual(expect.objectContaining({ code: "PAGE_DATA_DIGEST", offset }));
  });

  test("a truncated image lacks what follows", async () => {
    const image = hvm(FIRST.slice(0, 1), FIRST.slice(1));
    const cut = image.subarray(0, Buffer.from(image).indexOf(page(2, 0x12)));
    const { digest: found, findings } = await compare(image, cut);
    expect(found).toMatchObject({ differing: 2, by: { missing: 2 }, first: { pfn: 2 } });
    expect(findings.map(({ code }) => code)).toContain("STREAM_TRUNCATED");
    await expect(digest(cut)).rejects.toMatchObject({ code: "STREAM_TRUNCATED" });
  });

  test("types of a PV guest's frames count", async () => {
    const image = smallImage("pv64");
    expect((await compare(image, image)).digest).toMatchObject({ isEqual: true, frames: 10 });
    const retyped = image.slice();
    const word = Buffer.from(image).indexOf(Uint8Array.of(11, 0, 0, 0, 0, 0, 0, 0x10));
    retyped[word + 7] = 0x90;
    expect((await compare(image, retyped)).digest).toMatchObject({
      differing: 1,
      first: { pfn: 11, kind: "type" },
    });
    const { findings } = await compare(image, smallImage("pvh"));
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: "PAGE_DATA_DIGEST",
        facts: { differs: "guest type", guestType: 2 },
      }),
    );
  });
});
