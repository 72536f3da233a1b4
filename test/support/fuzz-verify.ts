import assert from "node:assert/strict";
import type { PageEngine } from "../../src/engine/types.ts";
import type { VerifyResult } from "../../src/migration/stream-verifier.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { goldenStreams } from "../golden/build.ts";
import { smallImage } from "../mutations/images.ts";
import { ChunkedImage } from "./chunked-image.ts";
import { damage } from "./damage.ts";
import { caseRandom, type FuzzSettings } from "./fuzz.ts";
import { sourceOf } from "./sources.ts";

/** How else to look at every octet than by events. */
export interface ThreadedWay {
  readonly engine: PageEngine;
  /** Gets the bytes into a file, and names it. */
  readonly write: (bytes: Uint8Array) => Promise<string>;
}

/**
 * Verifies damaged images in all ways, which have to tell the same.
 *
 * @returns how many were accepted, and how often each code was told.
 */
export async function fuzzVerify(
  settings: FuzzSettings,
  engine: PageEngine,
  threads: ThreadedWay | undefined,
): Promise<{ readonly accepted: number; readonly codes: Readonly<Record<string, number>> }> {
  const kinds = ["pvh", "hvm", "pv64", "pv32"] as const;
  const sound = [...kinds.map(smallImage), ...goldenStreams().values()];
  const codes: Record<string, number> = {};
  let accepted = 0;
  for (let iteration = 0; iteration < settings.iterations; iteration++) {
    const random = caseRandom(settings, iteration);
    const bytes = damage(random.pick(sound), random);
    const deep = await verifyStream(
      sourceOf(bytes, () => 1 + random.below(5_000)),
      {
        pageDataHead: engine,
        deepBy: engine,
        findingsMax: 10_000,
      },
    );
    const at = `SEED='${settings.seed}' case ${iteration}`;
    await compareIndex(bytes, deep, engine, at);
    await compareThreads(bytes, deep, threads, at);
    accepted += deep.summary.isAccepted ? 1 : 0;
    for (const { code, offset, sentence, advice } of deep.findings) {
      codes[code] = (codes[code] ?? 0) + 1;
      assert(sentence !== "" && advice !== "", at);
      assert(offset === undefined || (offset >= 0 && offset <= bytes.length), `${at}: ${code}`);
    }
  }
  return { accepted, codes };
}

/** Stepping over pages finds what reading by events does, but for what is in pages. */
async function compareIndex(
  bytes: Uint8Array,
  deep: VerifyResult,
  engine: PageEngine,
  at: string,
): Promise<void> {
  const options = { pageDataHead: engine, findingsMax: 10_000 };
  const index = await verifyStream(new ChunkedImage([bytes]), options);
  const events = await verifyStream(sourceOf(bytes), options);
  assert.deepEqual(told(index), told(events), at);
  const { memoryDigest, differingPageCount, depth, ...counts } = deep.summary;
  const { isAccepted, isRefused, findingCount } = index.summary;
  const inPages = deep.findings.filter(({ code, facts }) => {
    return code === "PAGE_DATA_VERIFY" || facts.names === "page table";
  });
  if (inPages.length === 0) {
    assert.deepEqual(told(index), told(deep), at);
    assert.deepEqual(index.summary, {
      ...counts,
      ...{ isAccepted, isRefused, findingCount, depth: "index" },
      ...{ memoryDigest: undefined, differingPageCount: undefined },
    });
  }
}

async function compareThreads(
  bytes: Uint8Array,
  deep: VerifyResult,
  threads: ThreadedWay | undefined,
  at: string,
): Promise<void> {
  if (threads === undefined) {
    return;
  }
  const { engine, write } = threads;
  const image = await openImage(await write(bytes));
  try {
    const options = { pageDataHead: engine, deepBy: engine, findingsMax: 10_000 };
    const result = await verifyStream(image, options);
    assert.equal(result.summary.memoryDigest, deep.summary.memoryDigest, at);
    assert.deepEqual(told(result).sort(), told(deep).sort(), at);
  } finally {
    await image.close();
  }
}

function told({ findings }: VerifyResult): string[] {
  return findings.map(({ code, severity, offset }) => `${severity} ${code} ${offset}`);
}
