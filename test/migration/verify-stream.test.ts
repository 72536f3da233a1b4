import { describe, expect, test } from "vitest";
import { ADVISED_CODES } from "../../src/migration/verify-advice.ts";
import type { Finding } from "../../src/migration/verify-findings.ts";
import { type VerifyOptions, verifyStream } from "../../src/migration/verify-stream.ts";
import { goldenStreams } from "../golden/build.ts";
import { MUTATIONS } from "../mutations/all.ts";
import { text } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";
import { FAULTS, SOUND, withEmptyContexts } from "./verify-faults.ts";

async function findingsOf(
  bytes: Uint8Array,
  options: Partial<VerifyOptions> = {},
): Promise<readonly Finding[]> {
  const result = await verifyStream(sourceOf(bytes), { pageDataHead: plainHeadCodec, ...options });
  const worst = result.findings.some(({ severity }) => severity !== "suspicious");
  expect(result.summary.isAccepted).toBe(!worst);
  return result.findings;
}

describe("one fault each", () => {
  test.each(FAULTS.map(([name, bytes, ...told]) => ({ name, bytes, expected: told })))(
    "$name",
    async ({ bytes, expected }) => {
      const findings = await findingsOf(bytes);
      const told = findings.map(
        ({ severity, code, record }) => `${severity} ${code} ${record ?? "-"}`,
      );
      expect(told).toEqual(expected);
      for (const { offset, sentence } of findings) {
        expect(offset).toBeGreaterThanOrEqual(0);
        expect(offset).toBeLessThanOrEqual(bytes.length);
        expect(sentence).not.toBe("");
      }
    },
  );

  test("all the streams without a fault", async () => {
    for (const bytes of SOUND) {
      expect(await findingsOf(bytes)).toEqual([]);
    }
  });
});

/** Told only of what these streams are not: compressed. */
const ELSEWHERE = ["STREAM_COMPRESSION", "PAGE_DATA_DIGEST"];

test("every code with an advice is told of a stream that has the fault alone", () => {
  const told = [
    ...FAULTS.flatMap(([, , ...findings]) => findings),
    ...MUTATIONS.flatMap(({ tells }) => tells),
    "suspicious PAGE_DATA_SCATTERED",
  ].map((finding) => finding.split(" ")[1]);
  const missing = ADVISED_CODES.filter((code) => !told.includes(code));
  expect(missing).toEqual(ELSEWHERE);
  expect(told.filter((code) => !ADVISED_CODES.includes(code as never))).toEqual([]);
});

describe("verifyStream", () => {
  const stream = goldenStreams().get("hvm-verify-captured.xl")!;

  test("tells what it read, and xl's hand-over as no fault", async () => {
    const { findings, summary } = await verifyStream(sourceOf(stream), {
      pageDataHead: plainHeadCodec,
    });
    expect(findings).toMatchObject([
      { severity: "suspicious", code: "RECORD_FRAME", facts: { names: "STORE_PFN" } },
      { severity: "suspicious", code: "RECORD_FRAME", facts: { names: "CONSOLE_PFN" } },
    ]);
    expect(summary).toEqual({
      isAccepted: true,
      isRefused: false,
      isComplete: true,
      depth: "index",
      format: "xl",
      byteOrder: "little",
      version: 3,
      guestType: 2,
      bytes: stream.length - 44,
      recordCount: 12,
      pageDataCount: 2,
      pageEntryCount: 8,
      dataPageCount: 5,
      frameCount: 3,
      checkpointCount: 0,
      comparedPageCount: 3,
      differingPageCount: undefined,
      memoryDigest: undefined,
      trailingBytes: 44,
      trailingSentence: "PERMISSION",
      findingCount: 2,
    });
  });

  test("a part of the hand-over is garbage", async () => {
    const findings = await findingsOf(stream.subarray(0, -1));
    expect(findings.at(-1)).toMatchObject({
      code: "STREAM_TRAILING_DATA",
      severity: "violated",
      offset: stream.length - 44,
      facts: { trailingBytes: 43 },
    });
  });

  test("a stream that ends too early is a finding", async () => {
    const result = await verifyStream(sourceOf(stream.subarray(0, 5000)), {
      pageDataHead: plainHeadCodec,
    });
    expect(result.findings).toMatchObject([
      { code: "STREAM_TRUNCATED", severity: "refused", offset: 5000, record: "PAGE_DATA" },
    ]);
    expect(result.summary).toMatchObject({ isAccepted: false, isComplete: false });
  });

  test("a checkpointed stream that ends too early has its last checkpoint", async () => {
    const remus = goldenStreams().get("hvm-remus.xl")!;
    const [cut, early] = [remus.subarray(0, -4), remus.subarray(0, 5000)];
    expect((await findingsOf(cut)).at(-1)).toMatchObject({
      code: "STREAM_TRUNCATED",
      severity: "violated",
    });
    expect((await findingsOf(early)).at(-1)).toMatchObject({ severity: "refused" });
  });

  test("no image at all is a finding", async () => {
    expect(await findingsOf(text("hello, this is no image"))).toMatchObject([
      { code: "STREAM_NOT_AN_IMAGE", severity: "refused", offset: 0 },
    ]);
    expect(await findingsOf(new Uint8Array(0))).toMatchObject([{ code: "STREAM_TRUNCATED" }]);
  });

  test("keeps so many findings and counts the rest", async () => {
    const result = await verifyStream(sourceOf(withEmptyContexts(50)), {
      pageDataHead: plainHeadCodec,
      findingsMax: 3,
    });
    expect(result.findings).toHaveLength(3);
    expect(result.summary.findingCount).toBeGreaterThan(49);
  });

  test("says how far it is, and stops when told", async () => {
    const seen: number[] = [];
    await verifyStream(sourceOf(stream), {
      pageDataHead: plainHeadCodec,
      onProgress: (bytesRead) => seen.push(bytesRead),
    });
    expect(seen.at(-1)).toBe(stream.length);
    const reason = new Error("enough");
    const options = { pageDataHead: plainHeadCodec, signal: AbortSignal.abort(reason) };
    await expect(verifyStream(sourceOf(stream), options)).rejects.toBe(reason);
  });

  test("what is wrong with the transport is no finding", async () => {
    const broken = new Error("wire cut");
    const source = {
      offset: 0,
      exactly: () => Promise.reject(broken),
      some: () => Promise.reject(broken),
      close: () => Promise.resolve(),
    };
    const options = { pageDataHead: plainHeadCodec };
    await expect(verifyStream(source, options)).rejects.toBe(broken);
  });
});
