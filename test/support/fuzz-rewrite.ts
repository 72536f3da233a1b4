import assert from "node:assert/strict";
import { MigrationError } from "../../src/base/errors.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { listFields } from "../../src/migration/list-fields.ts";
import type { RewriteChanges } from "../../src/migration/rewrite.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { goldenStreams } from "../golden/build.ts";
import { smallImage } from "../mutations/images.ts";
import { ChunkedImage } from "./chunked-image.ts";
import { damage } from "./damage.ts";
import { caseRandom, type FuzzSettings } from "./fuzz.ts";
import type { Random } from "./random.ts";
import { memoryDigest, rewriteBytes, verdictOn } from "./rewrite-run.ts";
import { sourceOf } from "./sources.ts";

/** How often what happened. */
export interface RewriteFuzz {
  readonly written: number;
  readonly refused: number;
  readonly set: number;
}

/**
 * Rewrites damaged images with changes chosen at random: each ends with an image that `verify`
 * accepts, of the memory it was, or with an error; whatever is damaged, a field set to what it is
 * changes nothing.
 */
export async function fuzzRewrite(
  settings: FuzzSettings,
  engine: PageEngine,
): Promise<RewriteFuzz> {
  const kinds = ["pvh", "hvm", "pv64", "pv32"] as const;
  const sound = [...kinds.map(smallImage), ...goldenStreams().values()];
  const counts = { written: 0, refused: 0, set: 0 };
  for (let iteration = 0; iteration < settings.iterations; iteration++) {
    const random = caseRandom(settings, iteration);
    const image = random.pick(sound);
    const bytes = random.chance(0.1) ? image : damage(image, random);
    const at = `SEED='${settings.seed}' case ${iteration}`;
    const result = await attempt(bytes, chosenChanges(random), engine, random);
    if (result === undefined) {
      counts.refused++;
    } else {
      counts.written++;
      await checkWritten(bytes, result, engine, at);
    }
    counts.set += await checkFields(bytes, engine, at);
  }
  return counts;
}

function chosenChanges(random: Random): RewriteChanges {
  const maybe = <Value>(value: Value) => (random.chance(0.4) ? value : undefined);
  return {
    memory: maybe("fold" as const),
    zeroPages: maybe("elide" as const),
    batchPages: maybe(1 + random.below(1024)),
    layout: maybe("aligned" as const),
    optionalRecords: maybe("drop" as const),
    version: maybe("upgrade" as const),
    addedRecords: maybe([{ type: 0x8000_0000 + random.below(9), body: new Uint8Array(3) }]),
  };
}

/** What was written; `undefined` after an error of ours, with its code. */
async function attempt(
  bytes: Uint8Array,
  changes: RewriteChanges,
  engine: PageEngine,
  random: Random,
): Promise<Uint8Array | undefined> {
  const source = random.chance(0.5) ? new ChunkedImage([bytes]) : sourceOf(bytes);
  try {
    return (await rewriteBytes(bytes, changes, { engine, source })).bytes;
  } catch (error) {
    assert(error instanceof MigrationError, error instanceof Error ? error.stack : "no error");
    return undefined;
  }
}

async function checkWritten(
  bytes: Uint8Array,
  written: Uint8Array,
  engine: PageEngine,
  at: string,
): Promise<void> {
  const { summary, findings } = await verdictOn(written, engine);
  assert(summary.isAccepted, `${at}: ${JSON.stringify(findings, jsonSafe)}`);
  const before = await verifyStream(sourceOf(bytes), { pageDataHead: engine });
  if (before.summary.isComplete && !findings.some(({ code }) => code === "PAGE_DATA_SCATTERED")) {
    assert.equal(await memoryDigest(written, engine), await memoryDigest(bytes, engine), at);
  }
}

/** Sets all fields to what they are; returns how many there are. */
async function checkFields(bytes: Uint8Array, engine: PageEngine, at: string): Promise<number> {
  const { signal } = new AbortController();
  const fields: { readonly path: string; readonly value: string }[] = [];
  try {
    const from = { source: sourceOf(bytes), pageDataHead: engine, signal };
    for await (const { path, value } of listFields(from)) {
      fields.push({ path, value: `${value}` });
    }
    const { bytes: written } = await rewriteBytes(bytes, { fields }, { engine, writes: "all" });
    assert.equal(Buffer.compare(written, bytes), 0, at);
  } catch (error) {
    assert(error instanceof MigrationError, error instanceof Error ? error.stack : "no error");
  }
  return fields.length;
}

function jsonSafe(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
