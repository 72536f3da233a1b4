import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import type { VerifyResult } from "../../src/migration/stream-verifier.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { sourceOf } from "../support/sources.ts";
import { wholeImage } from "../support/whole-image.ts";
import { allMutants, type Mutant } from "./all.ts";
import { Draft } from "./draft.ts";
import { smallImage } from "./images.ts";
import { type Kind, type Mutation, REAL_IMAGES } from "./mutation.ts";
import { readVerdicts } from "./stored.ts";

const KINDS: readonly Kind[] = ["pvh", "hvm", "pv64", "pv32"];
const reference = createReferenceEngine();
const native = enginesUnderTest().engines.find(({ label }) => label === "native")?.engine;
const mutants = allMutants().map((mutant) => ({
  name: `${mutant.mutation.name} of ${mutant.kind}`,
  ...mutant,
}));

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-mutants-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

function mutate(image: Uint8Array, { mutation, kind }: Mutant): readonly Uint8Array[] {
  const draft = new Draft(image);
  mutation.edit(draft, kind);
  return draft.chunks();
}

/** "severity CODE" of each finding. */
function told({ findings }: VerifyResult): readonly string[] {
  return findings.map(({ severity, code }) => `${severity} ${code}`);
}

/** Without what the sound image is told of as well, and up to the first refusal. */
function ownFindings(result: VerifyResult, base: VerifyResult): readonly string[] {
  const known = [...told(base)];
  const own = told(result).filter((finding) => {
    const index = known.indexOf(finding);
    return index === -1 || known.splice(index, 1).length === 0;
  });
  const refused = own.findIndex((finding) => finding.startsWith("refused"));
  return refused === -1 ? own : own.slice(0, refused + 1);
}

function indexed({ tells, tellsIndexed }: Mutation): readonly string[] {
  return tellsIndexed ?? tells;
}

async function deeply(bytes: Uint8Array): Promise<VerifyResult> {
  const options = { pageDataHead: plainHeadCodec, deepBy: reference };
  return await verifyStream(sourceOf(bytes), options);
}

async function byIndex(chunks: readonly Uint8Array[], engine = reference): Promise<VerifyResult> {
  return await verifyStream(new ChunkedImage(chunks), { pageDataHead: engine });
}

async function byThreads(bytes: Uint8Array, engine: PageEngine): Promise<VerifyResult> {
  const file = path.join(folder, "mutant.xl");
  await writeFile(file, bytes);
  const image = await openImage(file);
  try {
    return await verifyStream(image, { pageDataHead: engine, deepBy: engine });
  } finally {
    await image.close();
  }
}

test("names are used once, and there are more than a hundred", () => {
  const names = mutants.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(100);
});

describe.each(KINDS)("small image of a %s guest", (kind) => {
  const image = smallImage(kind);
  const own = mutants.filter((mutant) => mutant.kind === kind);

  test.each(own)("$name, every octet looked at", async (mutant) => {
    const result = await deeply(join(...mutate(image, mutant)));
    expect(ownFindings(result, await deeply(image))).toEqual(mutant.mutation.tells);
  });

  test.each(own)("$name, pages stepped over", async (mutant) => {
    const result = await byIndex(mutate(image, mutant));
    const base = await byIndex([image]);
    expect(ownFindings(result, base)).toEqual(indexed(mutant.mutation));
  });

  test.skipIf(native === undefined).each(own)("$name, by threads", async (mutant) => {
    const bytes = join(...mutate(image, mutant));
    const [result, expected] = [await byThreads(bytes, native!), await deeply(bytes)];
    const sorted = (findings: readonly string[]) => [...findings].sort();
    expect(sorted(told(result))).toEqual(sorted(told(expected)));
    expect(result.summary.memoryDigest).toBe(expected.summary.memoryDigest);
  });
});

const shared = sharedFolder();
const title = shared === undefined ? `images of Xen (skipped: ${NO_SHARED})` : "images of Xen";

describe.skipIf(shared === undefined)(title, () => {
  test.each(KINDS)("%s: all mutants, pages stepped over", { timeout: 120_000 }, async (kind) => {
    const image = await wholeImage(path.join(shared!, "streams", REAL_IMAGES[kind]));
    const engine = native ?? reference;
    const base = await byIndex([image], engine);
    for (const mutant of mutants.filter((one) => one.kind === kind)) {
      const result = await byIndex(mutate(image, mutant), engine);
      const { name } = mutant.mutation;
      expect([name, ...ownFindings(result, base)]).toEqual([name, ...indexed(mutant.mutation)]);
    }
  });
});

const { verdicts } = readVerdicts();

describe("what Xen's restore was seen to do (npm run test:verdicts)", () => {
  const seen = mutants.flatMap((mutant) => {
    const { mutation, kind } = mutant;
    const verdict = verdicts.find((one) => one.mutation === mutation.name && one.kind === kind);
    return verdict === undefined ? [] : [{ ...mutant, verdict }];
  });

  test("is known of more than a hundred mutants, and of nothing else", () => {
    expect(seen.length).toBeGreaterThan(100);
    expect(verdicts).toHaveLength(seen.length);
  });

  test.each(seen)("$name: our verdict is that, or it is said why not", ({ mutation, verdict }) => {
    const isRefused = mutation.tells.some((finding) => finding.startsWith("refused"));
    const isOther = isRefused !== (verdict.restore !== "accepted");
    expect(isOther).toBe(mutation.differs !== undefined);
  });
});
