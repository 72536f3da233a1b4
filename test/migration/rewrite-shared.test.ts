import { describe, expect, test } from "vitest";
import type { RewriteChanges } from "../../src/migration/rewrite.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { memoryDigest, rewriteBytes, stateOf, verdictOn } from "../support/rewrite-run.ts";
import { NO_SHARED, sharedImage, sharedImages } from "../support/shared.ts";

const names = sharedImages();
const { engine } =
  enginesUnderTest().engines.find(({ label }) => label === "native") ??
  enginesUnderTest().engines[0]!;
const title = names.length === 0 ? `real streams of Xen (skipped: ${NO_SHARED})` : "real streams";
const VERIFY = "libxc 13 ";
const PAGE_ALIGNMENT = `libxc ${0x8044_4150} `;

/** Some of all that `rewrite.test.ts` tries on small images. */
const some: readonly RewriteChanges[] = [
  { zeroPages: "elide", batchPages: 700 },
  { memory: "fold", zeroPages: "elide", batchPages: 512, layout: "aligned" },
];

describe.skipIf(names.length === 0)(title, () => {
  test.each(names)("%s: the same octets, or the same guest", async (name) => {
    const bytes = await sharedImage(name);
    const digest = await memoryDigest(bytes, engine);
    const { summary } = await verdictOn(bytes, engine);
    const isState = (line: string) => !line.startsWith(VERIFY) && !line.startsWith(PAGE_ALIGNMENT);
    const [header, ...state] = (await stateOf(bytes)).filter(isState);
    const source = () => new ChunkedImage([bytes]);
    const { bytes: same } = await rewriteBytes(bytes, {}, { engine, source: source() });
    expect(Buffer.compare(same, bytes)).toBe(0);
    for (const changes of some) {
      const { bytes: written } = await rewriteBytes(bytes, changes, { engine, source: source() });
      const after = await verdictOn(written, engine);
      expect(after.summary).toMatchObject({
        isAccepted: true,
        memoryDigest: summary.memoryDigest,
        frameCount: summary.frameCount,
      });
      expect(await memoryDigest(written, engine)).toBe(digest);
      const [first, ...others] = (await stateOf(written)).filter(isState);
      expect(others).toEqual(state);
      expect(first === header || changes.layout === "aligned").toBe(true);
    }
  });
});
